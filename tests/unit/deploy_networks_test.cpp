// Whole networks, forward and as training steps: compiled kernels against the interpreter.
#include <doctest/doctest.h>

#include <cmath>

#include "deploy/compile.h"
#include "frontend/init/draw.h"
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/interpret.h"
#include "ir/ops/activation.h"
#include "ir/ops/leaf.h"
#include "ir/ops/loss.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "tests/sample.h"
#include "train/training_step.h"

using namespace ag;

namespace {

// A first value that is neither 0 nor 1 everywhere, so that every operand counts.
Array first_value(const Parameter& parameter, int64_t seed) {
  Array array = draw(parameter, 1);
  if (parameter.initial.scheme != InitialScheme::constant || !is_float(array.dtype())) return array;
  Array noise = sample(array.type(), seed);
  const bool is_square = parameter.name.find("_sq.") != std::string::npos;
  for (int64_t i = 0; i < array.count(); ++i) {
    const double small = 0.05 * noise.get_double(i);
    array.set_double(i, array.get_double(i) + (is_square ? std::fabs(small) : small));
  }
  return array;
}

double relative_error(const Array& found, const ReferenceTensor& wanted) {
  REQUIRE(found.count() == wanted.count());
  double largest = 1e-30, worst = 0;
  for (int64_t i = 0; i < wanted.count(); ++i) {
    double gap = std::fabs(found.get_double(i) - wanted.number(i));
    worst = std::isnan(gap) ? INFINITY : std::max(worst, gap);
    largest = std::max(largest, std::fabs(wanted.number(i)));
  }
  return worst / largest;
}

CompiledGraph compile_without(const Graph& graph, const WeightMap& weights,
                              const std::vector<std::string>& passes) {
  if (passes.empty()) return compile(graph, weights);
  const ProgramEntry entry{"main", graph};
  const CompileSettings settings{.lowering = {.winograd = true, .without = passes}};
  const CompiledProgram compiled = compile_graphs("without", {&entry, 1}, weights, settings);
  return {LoadedProgram::in_memory(compiled.program), 1};
}

void check_compiled(const Graph& graph, const std::vector<Parameter>& parameters,
                    double tolerance = 2e-4, const std::vector<std::string>& without = {}) {
  Bindings bindings;
  WeightMap weights;
  std::vector<Array> inputs;
  for (const Parameter& parameter : parameters) {
    Array value = first_value(parameter, static_cast<int64_t>(weights.size()));
    bindings.emplace(parameter.name, ReferenceTensor::from(value));
    weights.emplace(parameter.name, std::move(value));
  }
  for (Value leaf : graph.leaves(ops::input)) {
    // A value within rounding of a kink (relu, max) can fall on the other side of it and moves a
    // gradient by some 1e-4; with these images none does, and errors are below 1e-5.
    inputs.push_back(sample(graph.type(leaf), static_cast<int64_t>(inputs.size()) + 11));
    bindings.emplace(graph.leaf_name(leaf), ReferenceTensor::from(inputs.back()));
  }
  std::vector<ReferenceTensor> wanted = interpret(graph, bindings);
  CompiledGraph compiled = compile_without(graph, weights, without);
  std::vector<Array> results = compiled(std::span<const Array>(inputs));
  size_t result = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Output& output = graph.outputs()[i];
    CAPTURE(output.name);
    Array found = output.updates ? compiled.instance().get(output.name) : results.at(result++);
    CHECK(relative_error(found, wanted[i]) < tolerance);
  }
}

}  // namespace

TEST_CASE("networks compiled for inference equal the interpreter") {
  for (const char* name :
       {"fc_baseline", "lenet5", "simple_cnn", "temporal_cnn", "volume_cnn", "resnet20_cifar"}) {
    CAPTURE(std::string(name));
    Model model = zoo_model(name, 3);
    check_compiled(model.forward(), model.parameters());
  }
}

TEST_CASE("training steps equal the interpreter: loss, parameters and all state") {
  struct Row {
    const char* name;
    Optimizer optimizer;
  };
  const Row rows[] = {
      {"lenet5", adamw(1e-2)},
      {"simple_cnn", sgd(0.1, {.momentum = 0.9, .weight_decay = 1e-3, .nesterov = true})},
      {"temporal_cnn", sgd(0.1, {.momentum = 0.9})},
      {"volume_cnn", adam(1e-2)},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    TrainingStep step = training_step(zoo_model(row.name, 3), {.optimizer = row.optimizer});
    check_compiled(step.graph, step.parameters);
  }
}

namespace {

// Something for every optional pass: batch norm, parts of a concat, taps that only meet padding, a
// sum of convolutions.
Tensor branches(Tensor image) {
  auto block = [](const char* name, Tensor x, int64_t channels, ConvLayer options) {
    return silu(batch_norm(std::string(name) + ".bn", conv(name, x, channels, options)));
  };
  Tensor x = block("stem", image, 16, {.kernel = 3, .padding = 1});
  Tensor near = block("near", x, 16, {.kernel = 3, .padding = 1});
  Tensor far = block("far", x, 16, {.kernel = 3, .padding = 7, .dilation = 7});
  x = concat({near, far}, 1);
  x = silu(conv("mix", x, 24, {.kernel = 1}) + conv("image", image, 24, {.kernel = 1}));
  return linear("fc", flatten(avg_pool(x, {.kernel = 2})), 3);
}

}  // namespace

TEST_CASE("without any one of the optional passes results are the same") {
  Model model = trace(branches, {.image = f32(2, 3, 12, 12), .name = "branches"});
  TrainingStep step = training_step(model, {.optimizer = sgd(0.1, {.momentum = 0.9})});
  for (std::string_view pass : optional_passes()) {
    CAPTURE(std::string(pass));
    check_compiled(model.forward(), model.parameters(), 2e-4, {std::string(pass)});
    check_compiled(step.graph, step.parameters, 2e-4, {std::string(pass)});
  }
  CHECK_THROWS_WITH_AS(lower_to_kernels(model.forward(), host_target(), {.without = {"dce"}}),
                       doctest::Contains("'dce' is no pass that can be left out"), CompileError);
}

namespace {

// Smooth throughout: where values are rounded, a maximum or a kink may fall on the other side.
Tensor smooth_cnn(Tensor image) {
  Tensor x = silu(batch_norm("bn", conv("conv", image, 5, {.kernel = 3, .padding = 1})));
  return linear("fc", flatten(avg_pool(x, {.kernel = 2})), 3);
}

}  // namespace

// Every value may be rounded once where a kernel stores it; the longest way from the image to a
// parameter's new value is some twenty kernels, most of which average.
TEST_CASE("training steps in halves and doubles equal the interpreter") {
  struct Row {
    DType dtype;
    double unit_roundoff;
  };
  const Row rows[] = {{DType::f64, 0x1p-53}, {DType::f16, 0x1p-11}, {DType::bf16, 0x1p-8}};
  for (const Row& row : rows) {
    CAPTURE(std::string(name_of(row.dtype)));
    const Model model =
        trace(smooth_cnn, {.image = tensor_type(row.dtype, {4, 3, 6, 6}), .name = "smooth_cnn"});
    for (const Optimizer& optimizer :
         {sgd(0.1, {.momentum = 0.9, .weight_decay = 1e-3, .nesterov = true}), adam(1e-2),
          adamw(1e-2)}) {
      CAPTURE(optimizer.name);
      const TrainingStep step = training_step(model, {.loss = mse_loss, .optimizer = optimizer});
      check_compiled(step.graph, step.parameters, 16 * row.unit_roundoff + 1e-10);
    }
  }
}
