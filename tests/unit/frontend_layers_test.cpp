// Layers against what PyTorch recorded (tests/reference/training_steps.py), their names, their
// errors.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <thread>

#include "frontend/layers.h"
#include "frontend/model.h"
#include "ir/interpret.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/print.h"
#include "tests/recorded.h"

using namespace ag;

namespace {

// The text of the error that building `network` on `image` gives.
std::string error_of(Network network, TensorType image) {
  try {
    trace(std::move(network), {.image = std::move(image)});
  } catch (const CompileError& error) {
    return error.what();
  }
  return "no error";
}

// Where the network under test is wrong; it sets the line itself.
int line = 0;

std::string at_line(int line) { return fmt::format("frontend_layers_test.cpp:{}: ", line); }

}  // namespace

TEST_CASE("layers compute what PyTorch's do") {
  struct Row {
    std::string name;
    Tensor (*layer)(Tensor x);
  };
  // Layers have no name here: their parameters are "weight" and "bias".
  const Row rows[] = {
      {"conv1d",
       [](Tensor x) {
         return conv("", x, 6, {.kernel = 3, .padding = "same", .dilation = 2, .groups = 2});
       }},
      {"causal",
       [](Tensor x) { return conv("", x, 5, {.kernel = 3, .padding = "causal", .dilation = 2}); }},
      {"conv2d",
       [](Tensor x) {
         return conv("", x, 4, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 0}});
       }},
      {"conv3d",
       [](Tensor x) { return conv("", x, 3, {.kernel = 3, .padding = 1, .bias = false}); }},
      {"transposed",
       [](Tensor x) {
         return conv_transpose(
             "", x, 6, {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1, .groups = 2});
       }},
      {"linear", [](Tensor x) { return linear("", x, 4); }},
      {"layer_norm", [](Tensor x) { return layer_norm("", x, {.axes = 2}); }},
      {"batch_norm", [](Tensor x) { return batch_norm("", x, {.eps = 1e-3}); }},
      {"max_pool",
       [](Tensor x) {
         return max_pool(x, {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true});
       }},
      {"avg_pool",
       [](Tensor x) {
         return avg_pool(x, {.kernel = 3, .stride = 2, .padding = 1, .count_padding = false});
       }},
      {"adaptive", [](Tensor x) { return adaptive_avg_pool(x, 3); }},
  };
  const Recorded recorded("training_steps.npz");
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Array& x = recorded.array(row.name + "/x");
    Model model = trace(row.layer, {.image = x.type()});
    model.set_weights(recorded.below(row.name + "/begin/"));
    Bindings bindings{{"image", ReferenceTensor::from(x)}};
    for (const auto& [name, array] : model.weights())
      bindings.emplace(name, ReferenceTensor::from(array));
    CHECK(difference(interpret(model.forward(), bindings)[0], recorded.array(row.name + "/y")) <
          1e-6);
  }
}

TEST_CASE("parameters are named by scope and layer") {
  auto network = [](Tensor x) {
    Scope layer("layer1", x);
    {
      Scope block("0", x);
      x = batch_norm("bn1", conv("conv1", x, 8, {.kernel = 3}));
    }
    return conv("head", x, 2, {.kernel = 1});
  };
  Model model = trace(network, {.image = f32(1, 3, 8, 8)});
  std::vector<std::string> names;
  for (const Parameter& parameter : model.parameters()) names.push_back(parameter.name);
  CHECK(names == std::vector<std::string>{"layer1.0.conv1.weight", "layer1.0.conv1.bias",
                                          "layer1.0.bn1.weight", "layer1.0.bn1.bias",
                                          "layer1.0.bn1.running_mean", "layer1.0.bn1.running_var",
                                          "layer1.head.weight", "layer1.head.bias"});
  Value weight = model.forward().find_leaf("layer1.0.conv1.weight");
  CHECK(model.forward().node(weight).location.scope == "layer1.0.conv1");
}

TEST_CASE("dropout and batch norm do nothing to state in inference") {
  auto network = [](Tensor x) { return dropout(batch_norm("bn", x), 0.5); };
  Model model = trace(network, {.image = f32(4, 3)});
  CHECK(model.forward().outputs().size() == 1);
  CHECK(!model.forward().find_leaf("rng.key").valid());

  Graph graph;
  BuildContext context(graph, Mode::training);
  model.build(context);
  std::vector<std::string> updated;
  for (const Output& output : graph.outputs()) updated.push_back(output.name);
  CHECK(updated == std::vector<std::string>{"bn.running_mean", "bn.running_var", "rng.key"});
}

TEST_CASE("stochastic depth drops whole examples, in training only") {
  auto network = [](Tensor x) { return stochastic_depth(x, 0.25); };
  Model model = trace(network, {.image = f32(64, 3, 2)});
  CHECK(model.forward().outputs()[0].value == model.forward().find_leaf("image"));

  Graph graph;
  BuildContext context(graph, Mode::training);
  graph.add_output("y", model.build(context)[0].tensor.value());
  ReferenceTensor image(DType::f32, {64, 3, 2}), rng_key(DType::u32, {2});
  std::fill(image.floats.begin(), image.floats.end(), 3.0);
  const auto results = interpret(graph, {{"image", image}, {"rng.key", rng_key}});
  const ReferenceTensor& y = results.back();
  int dropped = 0;
  for (int64_t example = 0; example < 64; ++example) {
    dropped += y.floats[example * 6] == 0;
    for (int64_t i = 0; i < 6; ++i) {
      CHECK(y.floats[example * 6 + i] == y.floats[example * 6]);
      CHECK((y.floats[example * 6 + i] == 0 || y.floats[example * 6 + i] == 4.0));
    }
  }
  CHECK(dropped > 5);
  CHECK(dropped < 30);
}

TEST_CASE("errors name the layer, both values, the user's line and a way out") {
  struct Row {
    Tensor (*network)(Tensor x);
    TensorType image;
    std::string text;  // behind the line
  };
  const TensorType image = f32(2, 6, 8, 8);
  const Row rows[] = {
      {[](Tensor x) {
         line = __LINE__ + 1;
         return conv("conv1", x, 8, {.kernel = 3, .groups = 4});
       },
       image,
       "conv conv1: groups is 4, which does not divide both the 6 channels of x and the width 8\n"
       "help: choose a common divisor of both"},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return conv("conv1", x, 8, {});
       },
       image, "conv conv1: no kernel is given\nhelp: write {.kernel = 3}"},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return conv("conv1", x, 8, {.kernel = {3, 3, 3}});
       },
       image,
       "conv conv1: kernel has 3 entries, but x has 2 spatial axes\n"
       "help: give one number for all axes, or one for each"},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return conv("c", x, 8, {.kernel = 3, .padding = "full"});
       },
       image, "conv c: padding is \"full\"\nhelp: give a number, a list, \"same\" or \"causal\""},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return conv("c", x, 8, {.kernel = 3, .stride = 0});
       },
       image, "conv c: stride is 0, at least 1 is needed"},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return conv("conv1", x, 8, {.kernel = 3});
       },
       f32(2, 6),
       "conv conv1: x is f32[2,6], but [batch, channels, spatial…] is needed\n"
       "help: reshape x, or use linear()"},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return dropout(x, 1.5);
       },
       image,
       "dropout: the rate is 1.5\n"
       "help: choose a number in [0, 1): the share of elements set to zero"},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return layer_norm("ln", x, {.axes = 4});
       },
       image, "layer_norm ln: axes is 4, but x is f32[2,6,8,8]\nhelp: choose 1 to 3"},
      {[](Tensor x) {
         line = __LINE__ + 1;
         return max_pool(x, {.kernel = {2, 2, 2}});
       },
       image,
       "max_pool: kernel has 3 entries, but x has 2 spatial axes\n"
       "help: give one number for all axes, or one for each"},
  };
  for (const Row& row : rows) {
    std::string error = error_of(row.network, row.image);
    CHECK(error == at_line(line) + "error: " + row.text);
  }
}

TEST_CASE("a name that is taken is shown with both places") {
  auto network = [](Tensor x) {
    line = __LINE__ + 1;
    x = conv("conv1", x, 8, {.kernel = 3});
    return conv("conv1", x, 8, {.kernel = 3});
  };
  std::string error = error_of(network, f32(2, 6, 8, 8));
  CHECK(error == at_line(line + 1) + "error: parameter: the name 'conv1.weight' is taken\n" +
                     at_line(line) +
                     "note: first made here\n"
                     "help: give the layer another name, or open a scope around it");
}

TEST_CASE("an output without extent is refused by the op, at the layer's line") {
  auto network = [](Tensor x) {
    line = __LINE__ + 1;
    return conv("conv1", x, 8, {.kernel = 9});
  };
  std::string error = error_of(network, f32(2, 6, 8, 8));
  CHECK(error.starts_with(at_line(line) + "error: conv: "));
  CHECK(error.find("%conv1.weight: f32[8,6,9,9]") != std::string::npos);
}

TEST_CASE("layers outside of trace() are refused") {
  Graph graph("by_hand");
  Tensor x = input(graph, "x", f32(1, 3));
  std::string error;
  try {
    line = __LINE__ + 1;
    linear("fc", x, 2);
  } catch (const CompileError& caught) {
    error = caught.what();
  }
  CHECK(error ==
        at_line(line) +
            "error: linear: layers with parameters or randomness are made inside trace(), but "
            "graph @by_hand is being built by hand\n"
            "help: put the layers into a function and trace() it, or use the ops without a name");
}

TEST_CASE("networks are traced by several threads at once") {
  auto network = [](Tensor x) {
    for (int i = 0; i < 20; ++i) {
      Scope scope(std::to_string(i), x);
      x = relu(batch_norm("bn", conv("conv", x, 4, {.kernel = 1})));
    }
    return x;
  };
  const std::string wanted = print(trace(network, {.image = f32(1, 4, 2, 2)}).forward());
  std::vector<std::string> found(4);
  std::vector<std::thread> threads;
  for (std::string& text : found) {
    threads.emplace_back(
        [&] { text = print(trace(network, {.image = f32(1, 4, 2, 2)}).forward()); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : found) CHECK(text == wanted);
}
