// Models: tracing, weights in and out, printed graphs.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>

#include "frontend/layers.h"
#include "frontend/model.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/golden/golden.h"

using namespace ag;

namespace {

Tensor small_network(Tensor x) { return linear("fc", relu(linear("hidden", x, 4)), 2); }
constexpr int kSmallNetworkLine = __LINE__ - 1;

Model small_model() { return trace(small_network, {.image = f32(3, 5), .name = "small"}); }

Array numbers(Shape shape) {
  Array array(DType::f32, std::move(shape));
  for (int64_t i = 0; i < array.count(); ++i) array.set_double(i, 0.25 * static_cast<double>(i));
  return array;
}

WeightMap small_weights() {
  return {{"hidden.weight", numbers({4, 5})},
          {"hidden.bias", numbers({4})},
          {"fc.weight", numbers({2, 4})},
          {"fc.bias", numbers({2})}};
}

std::string error_of(Model& model, WeightMap weights) {
  try {
    model.set_weights(std::move(weights), "small.safetensors");
  } catch (const CompileError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("printed networks") {
  for (const char* name : {"lenet5", "resnet20_cifar", "temporal_cnn", "volume_cnn"}) {
    const std::string text = print(zoo_model(name).forward());
    check_golden(golden_folder("zoo") + "/" + name + ".ag", text);
    CHECK(print(parse(text), {.locations = false}) ==
          print(zoo_model(name).forward(), {.locations = false}));
  }
}

TEST_CASE("weights go out and come back") {
  Model model = small_model();
  CHECK(model.weights().empty());
  CHECK_THROWS_AS(model.save("nowhere.safetensors"), CompileError);
  model.initialize(7);
  CHECK(model.weights().size() == 4);
  CHECK(model.parameter_count() == 4 * 5 + 4 + 2 * 4 + 2);
  auto path = std::filesystem::temp_directory_path() / "argent_frontend_model_test.safetensors";
  model.save(path);
  Model other = small_model();
  other.load(path);
  std::filesystem::remove(path);
  CHECK(other.weights() == model.weights());
  Model third = small_model();
  third.initialize(8);
  CHECK(third.weights() != model.weights());
}

TEST_CASE("weights that do not fit are named with both types and the layer's line") {
  Model model = small_model();
  const std::string line = fmt::format("frontend_model_test.cpp:{}: ", kSmallNetworkLine);
  WeightMap weights = small_weights();
  weights["fc.weight"] = numbers({2, 5});
  CHECK(error_of(model, weights) ==
        line +
            "error: small.safetensors: 'fc.weight' is f32[2,5], but network @small has f32[2,4]\n"
            "help: load weights that were saved from this network, or change the layer");

  weights = small_weights();
  weights.erase("fc.bias");
  CHECK(error_of(model, weights) ==
        line +
            "error: small.safetensors: network @small needs 'fc.bias' (f32[2])\n"
            "help: load weights that were saved from this network");

  weights["linear.bias"] = numbers({2});
  CHECK(error_of(model, weights) ==
        line +
            "error: small.safetensors: network @small needs 'fc.bias' (f32[2])\n"
            "help: the weights have 'linear.bias' (f32[2]), which the network does not use: "
            "rename one side");

  weights = small_weights();
  weights["extra"] = numbers({1});
  CHECK(error_of(model, weights) ==
        "error: small.safetensors: network @small does not have 'extra' (f32[1])\n"
        "help: load weights that were saved from this network");

  weights = small_weights();
  weights["hidden.weight"] = Array(DType::i32, {4, 5});
  CHECK(error_of(model, weights).find("'hidden.weight' is i32[4,5], but") != std::string::npos);
  CHECK(model.weights().empty());
}

TEST_CASE("other float types are converted, PyTorch's counters left out") {
  Model model = small_model();
  WeightMap weights = small_weights();
  Array wide(DType::f64, {2});
  wide.set_double(1, 1.5);
  weights["fc.bias"] = wide;
  weights["bn.num_batches_tracked"] = Array(DType::i64, {});
  CHECK(error_of(model, weights) == "no error");
  CHECK(model.weights().at("fc.bias").dtype() == DType::f32);
  CHECK(model.weights().at("fc.bias").get_double(1) == 1.5);
  CHECK(model.weights().size() == 4);
}

TEST_CASE("networks with several inputs and outputs") {
  auto network = [](std::span<const Tensor> inputs) {
    Tensor sum = inputs[0] + inputs[1];
    return std::vector<NamedTensor>{{"sum", sum}, {"score", linear("fc", sum, 1)}};
  };
  Model model = trace(network, {.inputs = {{"left", f32(2, 3)}, {"right", f32(2, 3)}}});
  CHECK(model.forward().type(model.forward().output("score")) == f32(2, 1));
  CHECK(model.forward().leaves(ops::input).size() == 2);
  Graph larger = model.forward(5);
  CHECK(larger.type(larger.output("sum")) == f32(5, 3));
  CHECK(larger.build_context() == nullptr);
}

TEST_CASE("traces that cannot be") {
  CHECK_THROWS_WITH_AS(trace(small_network, {}),
                       "error: trace of @network: no input is given\n"
                       "help: write trace(function, {.image = f32(1, 3, 224, 224)})",
                       CompileError);
  CHECK_THROWS_WITH_AS(trace(small_network, {.inputs = {{"a", f32(1, 2)}, {"b", f32(1, 2)}}}),
                       "error: trace of @network: the function takes 1 inputs, 2 are given",
                       CompileError);
  CHECK_THROWS_WITH_AS(trace([](Tensor) { return Tensor(); }, {.image = f32(1, 2)}),
                       "error: trace of @network: output 'logits' was not made from the inputs",
                       CompileError);
}
