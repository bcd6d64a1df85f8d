// Winograd's algorithm in compiled programs: chosen, right, and the same for any number of threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "deploy/compile.h"
#include "frontend/zoo/zoo.h"
#include "ir/interpret.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "tests/all_threads.h"
#include "tests/ramp.h"

using namespace ag;

namespace {

constexpr double kMostError = 1e-4;  // of the result's range: what the documents promise

struct Case {
  const char* name;
  Shape x;
  int64_t outputs;
  ConvOptions options;
  bool residual;
  bool shares_weights = false;  // between the images of a block
};

const Case kCases[] = {
    {"one image", {1, 32, 12, 12}, 32, {.padding = {1, 1, 1, 1}}, false},
    {"odd sizes, padding lanes, residual", {2, 20, 9, 11}, 40, {.padding = {1, 1, 1, 1}}, true},
    {"no padding", {1, 32, 9, 7}, 48, {}, false},
    {"many rows", {1, 16, 60, 20}, 32, {.padding = {1, 1, 1, 1}}, true},
    {"towards the image",
     {1, 32, 14, 14},
     64,
     {.padding = {1, 1, 1, 1}, .dims = "nc,io->nc", .reverse = true},
     false},
    {"small images that share their weights",
     {24, 544, 4, 4},
     544,
     {.padding = {1, 1, 1, 1}},
     true,
     true},
    {"dilated", {1, 64, 16, 16}, 64, {.padding = {2, 2, 2, 2}, .rhs_dilation = {2, 2}}, true},
    {"dilated, phases of unequal length",
     {2, 32, 21, 18},
     48,
     {.padding = {3, 3, 4, 4}, .rhs_dilation = {3, 4}},
     true},
    {"video", {1, 32, 4, 14, 14}, 32, {.padding = {1, 1, 1, 1, 1, 1}}, true},
    {"video, padding lanes, unequal frames",
     {2, 20, 5, 9, 11},
     40,
     {.padding = {0, 1, 1, 1, 0, 2}, .rhs_dilation = {2, 1, 1}},
     false},
    {"video towards the image",
     {1, 32, 3, 12, 12},
     32,
     {.padding = {1, 1, 1, 1, 1, 1}, .dims = "nc,io->nc", .reverse = true},
     false},
};

// pointwise(relu(conv(x, w) + bias + residual)): its own result is what a network outputs.
Graph graph_of(const Case& test) {
  Graph graph("g");
  auto parameter = [&](const std::string& name, Shape shape) {
    return Tensor(graph, graph.add_leaf(ops::parameter, name, f32(std::move(shape)), {}));
  };
  const bool back = test.options.reverse;
  const Tensor x{graph, graph.add_leaf(ops::input, "x", f32(test.x), {})};
  Shape weights = back ? Shape{test.x[1], test.outputs} : Shape{test.outputs, test.x[1]};
  weights.resize(test.x.size(), 3);
  Tensor y = conv(x, parameter("w", weights), test.options);
  y = y + broadcast(parameter("bias", {test.outputs}), y.shape(), {1});
  if (test.residual) {
    y = y + Tensor(graph, graph.add_leaf(ops::input, "r", f32(y.shape()), {}));
  }
  Shape one{16, test.outputs};
  one.resize(test.x.size(), 1);
  y = conv(relu(y), parameter("last", one));
  graph.add_output("y", y.value());
  return graph;
}

struct Values {
  std::map<std::string, Array> weights;
  std::vector<Array> inputs;
  Bindings bindings;

  explicit Values(const Graph& graph) {
    for (int i = 0; i < graph.size(); ++i) {
      const Value leaf{i, 0};
      if (!graph.node(i).is(ops::input) && !graph.node(i).is(ops::parameter)) continue;
      const Array array = ramp(graph.type(leaf), i);
      bindings[graph.leaf_name(leaf)] = ReferenceTensor::from(array);
      if (graph.node(i).is(ops::input))
        inputs.push_back(array);
      else
        weights[graph.leaf_name(leaf)] = array;
    }
  }
};

// Whether a kernel is computed so, with `parameter` in its schedule.
bool uses_winograd(const CompiledProgram& compiled, std::string_view parameter = "") {
  return std::any_of(compiled.kernels.begin(), compiled.kernels.end(), [&](const KernelReport& k) {
    const std::string& schedule = k.request.schedule;
    return schedule.starts_with("conv_winograd") && schedule.find(parameter) != schedule.npos;
  });
}

double error_of(const Array& got, const ReferenceTensor& want) {
  double low = want.floats[0], high = low, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    low = std::min(low, want.floats[i]);
    high = std::max(high, want.floats[i]);
    const double error = std::fabs(got.get_double(i) - want.floats[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst / (high - low);
}

// Compiles with and without Winograd; both equal the interpreter, the first on any number of
// threads.
void check_winograd(const Graph& graph, bool shares_weights = false) {
  const Values values(graph);
  const ReferenceTensor want = interpret(graph, values.bindings)[0];
  const ProgramEntry entry{"main", graph};
  const CompiledProgram fast =
      compile_graphs("fast", {&entry, 1}, values.weights, {.lowering = {.winograd = true}});
  const CompiledProgram plain =
      compile_graphs("plain", {&entry, 1}, values.weights, {.lowering = {.winograd = false}});
  CHECK(uses_winograd(fast));
  CHECK(uses_winograd(fast, "images=") == shares_weights);
  CHECK_FALSE(uses_winograd(plain));
  const auto program = LoadedProgram::in_memory(on_all_threads(fast.program));
  ProgramInstance one = program->instance(1), three = program->instance(3);
  const Array first = one.run(0, values.inputs)[0];
  CHECK(error_of(first, want) <= kMostError);
  CHECK(one.run(0, values.inputs)[0] == first);
  CHECK(three.run(0, values.inputs)[0] == first);
  ProgramInstance direct = LoadedProgram::in_memory(plain.program)->instance(1);
  CHECK(error_of(direct.run(0, values.inputs)[0], want) <= 1e-5);
}

}  // namespace

TEST_CASE("convolutions by Winograd equal the interpreter") {
  for (const Case& test : kCases) {
    CAPTURE(std::string(test.name));
    check_winograd(graph_of(test), test.shares_weights);
  }
}

TEST_CASE("rows of tiles that read far weights are shared evenly by threads") {
  // 28 rows: of seven blocks of four, one of two threads would have four.
  const Graph graph = graph_of({"", {1, 128, 112, 112}, 128, {.padding = {1, 1, 1, 1}}, false});
  const ProgramEntry entry{"main", graph};
  const CompiledProgram compiled =
      compile_graphs("even", {&entry, 1}, Values(graph).weights, {.lowering = {.winograd = true}});
  CHECK(uses_winograd(compiled, ",rows=2,"));
}

namespace {

// The gradient of the convolution of a case towards its weights.
Graph gradient_of(const Shape& x_shape, int64_t outputs) {
  Graph graph("g");
  Shape dy_shape = x_shape;
  dy_shape[1] = outputs;
  const Tensor x{graph, graph.add_leaf(ops::input, "x", f32(x_shape), {})};
  const Tensor dy{graph, graph.add_leaf(ops::input, "dy", f32(dy_shape), {})};
  const Tensor dw = conv(x, dy, {.padding = {1, 1, 1, 1}, .dims = "cn,io->cn"});
  graph.add_output("dw", dw.value());
  return graph;
}

}  // namespace

// Small and large gradients: partial sums of shares of the tiles, and panels.
TEST_CASE("gradients towards weights by Winograd equal the interpreter on any number of threads") {
  struct Gradient {
    Shape x;
    int64_t outputs;
  };
  for (const Gradient& test : {Gradient{{32, 16, 8, 8}, 16}, Gradient{{24, 64, 11, 9}, 40},
                               Gradient{{64, 32, 4, 4}, 272}}) {
    CAPTURE(to_string(test.x));
    check_winograd(gradient_of(test.x, test.outputs));
  }
}

namespace {

// A 3x3 layer of a network: channels in and out, height and width.
struct Layer {
  const char* name;
  int64_t inputs, outputs, extent;
};

const Layer kLayers[] = {
    {"resnet18 layer1", 64, 64, 56},       {"resnet18 layer2", 128, 128, 28},
    {"resnet18 layer3", 256, 256, 14},     {"vgg16 block 1", 64, 64, 224},
    {"vgg16 block 2", 64, 128, 112},       {"vgg16 block 3", 256, 256, 56},
    {"vgg16 block 4", 256, 512, 28},       {"vgg16 block 5", 512, 512, 14},
    {"unet, first decoder", 128, 64, 256}, {"unet, 64x64", 256, 256, 64},
    {"unet, bottom", 512, 1024, 16},
};

// last(relu(conv(x, w) + bias)) at one position, in double: what graph_of computes there.
std::vector<double> outputs_at(const Layer& layer, const Values& values, int64_t y, int64_t x) {
  const std::vector<double>&image = values.bindings.at("x").floats,
        &w = values.bindings.at("w").floats, &bias = values.bindings.at("bias").floats,
        &last = values.bindings.at("last").floats;
  std::vector<double> results(16, 0.0);
  for (int64_t o = 0; o < layer.outputs; ++o) {
    double sum = bias[o];
    for (int64_t tap = 0; tap < 9; ++tap) {
      const int64_t row = y + tap / 3 - 1, column = x + tap % 3 - 1;
      if (row < 0 || column < 0 || row >= layer.extent || column >= layer.extent) continue;
      const int64_t at = row * layer.extent + column;
      for (int64_t i = 0; i < layer.inputs; ++i) {
        sum += w[(o * layer.inputs + i) * 9 + tap] * image[i * layer.extent * layer.extent + at];
      }
    }
    for (int64_t k = 0; k < 16; ++k) results[k] += last[k * layer.outputs + o] * std::max(sum, 0.0);
  }
  return results;
}

// Largest error at a few positions, edges and corners among them, over the results' range there.
double sampled_error(const Layer& layer, const Values& values, const Array& got) {
  constexpr int64_t kSamples = 24;
  const int64_t extent = layer.extent;
  double low = 1e30, high = -1e30, worst = 0;
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    const int64_t y = sample * (extent - 1) / (kSamples - 1);
    const int64_t x = sample * 7 % kSamples * (extent - 1) / (kSamples - 1);
    const std::vector<double> wanted = outputs_at(layer, values, y, x);
    for (int64_t k = 0; k < 16; ++k) {
      const double error = std::fabs(got.get_double((k * extent + y) * extent + x) - wanted[k]);
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      low = std::min(low, wanted[k]);
      high = std::max(high, wanted[k]);
    }
  }
  return worst / (high - low);
}

}  // namespace

TEST_CASE("layers of ResNet-18, VGG-16 and U-Net are Winograd's unless asked otherwise") {
  for (const Layer& layer : kLayers) {
    CAPTURE(layer.name);
    const Graph graph = graph_of({layer.name,
                                  {1, layer.inputs, layer.extent, layer.extent},
                                  layer.outputs,
                                  {.padding = {1, 1, 1, 1}},
                                  false});
    const Values values(graph);
    const ProgramEntry entry{"main", graph};
    for (const bool winograd : {CompileOptions().winograd, false}) {
      CompiledProgram compiled = compile_graphs("layer", {&entry, 1}, values.weights,
                                                {.lowering = {.winograd = winograd}});
      CHECK(uses_winograd(compiled) == winograd);
      ProgramInstance instance =
          LoadedProgram::in_memory(on_all_threads(compiled.program))->instance(2);
      const Array got = instance.run(0, values.inputs)[0];
      CHECK(sampled_error(layer, values, got) <= (winograd ? kMostError : 1e-5));
    }
  }
  CHECK(CompileOptions().winograd);
}

TEST_CASE("ResNet-18 by Winograd is ResNet-18") {
  Model model = zoo_model("resnet18", 1);
  model.initialize(7);
  CompiledModel fast(model, {.winograd = true}), plain(model, {.winograd = false});
  const Array image = ramp(f32(1, 3, 224, 224), 1);
  const ReferenceTensor want = ReferenceTensor::from(plain(image));
  CHECK(error_of(fast(image), want) <= kMostError);
}
