// Squeeze-and-excitation in compiled programs: means that the kernel of a convolution sums beside
// its result, and gates that scale the weights behind it. Right, and the same bits for any number
// of threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "ir/interpret.h"
#include "ir/ops/activation.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "tests/check_close.h"
#include "tests/ramp.h"

using namespace ag;

namespace {

// A network under construction.
struct Network {
  Graph graph{"g"};

  Tensor leaf(const OpDef& op, const std::string& name, Shape shape) {
    return {graph, graph.add_leaf(op, name, f32(std::move(shape)), {})};
  }
  Tensor conv_layer(const std::string& name, Tensor x, int64_t outputs, int64_t taps,
                    ConvOptions options) {
    const int64_t inputs = x.extent(1) / options.groups;
    Tensor y = conv(x, leaf(ops::parameter, name + ".w", {outputs, inputs, taps, taps}), options);
    return y + broadcast(leaf(ops::parameter, name + ".b", {outputs}), y.shape(), {1});
  }
  // x · sigmoid(fc2(relu(fc1(mean of x))))
  Tensor gated(Tensor x, int64_t squeezed) {
    const double positions = static_cast<double>(x.extent(2) * x.extent(3));
    Tensor mean = reduce_sum(x, {2, 3}) * (1 / positions);
    mean = reshape(mean, {x.extent(0), x.extent(1), 1, 1});
    Tensor gate =
        conv_layer("fc2", relu(conv_layer("fc1", mean, squeezed, 1, {})), x.extent(1), 1, {});
    return x * broadcast(sigmoid(gate), x.shape(), {0, 1, 2, 3});
  }
};

// A layer of `taps` x `taps`, gated, and a 1x1 convolution behind it.
struct Case {
  const char* name;
  Shape image;
  int64_t channels, groups, taps, stride, outputs;
  bool joins, scales;  // what the compiler is expected to do
};

constexpr int64_t kDepthwise = 0;

const Case kCases[] = {
    {"depthwise, a vector and a half", {1, 24, 20, 20}, 24, kDepthwise, 3, 1, 40, false, true},
    {"depthwise, larger than a cache", {1, 24, 112, 112}, 24, kDepthwise, 3, 1, 40, true, true},
    {"depthwise, stride 2, odd sizes", {1, 72, 29, 27}, 72, kDepthwise, 3, 2, 12, false, true},
    {"depthwise, less than a vector", {1, 12, 163, 141}, 12, kDepthwise, 5, 1, 24, true, true},
    {"depthwise, seven rows, more weights than activations",
     {1, 48, 7, 7},
     48,
     kDepthwise,
     3,
     1,
     64,
     false,
     false},
    {"groups of eight, stride 2", {1, 40, 171, 170}, 40, 5, 3, 2, 24, true, true},
    {"groups of vectors", {1, 32, 70, 71}, 64, 2, 3, 1, 24, true, true},
    {"1x1", {1, 24, 56, 57}, 96, 1, 1, 1, 24, true, true},
    {"three images", {3, 24, 65, 66}, 24, kDepthwise, 3, 1, 40, true, false},
    {"one channel", {1, 1, 16, 16}, 1, 1, 3, 1, 3, false, false},
};

Tensor build(Network& n, const Case& test) {
  const int64_t groups = test.groups == kDepthwise ? test.channels : test.groups;
  const int64_t low = test.taps / 2;
  Tensor x = relu(n.leaf(ops::input, "x", test.image));
  x = n.conv_layer(
      "layer", x, test.channels, test.taps,
      {.stride = {test.stride, test.stride}, .padding = {low, low, low, low}, .groups = groups});
  return n.conv_layer("project", n.gated(silu(x), std::max<int64_t>(test.channels / 4, 1)),
                      test.outputs, 1, {});
}

struct Compiled {
  CompiledProgram program;
  std::vector<Array> inputs;
  ReferenceTensor expected;
};

Compiled compile(const Case& test, LoweringOptions lowering) {
  Network network;
  network.graph.add_output("y", build(network, test).value());
  std::map<std::string, Array> weights;
  Compiled compiled;
  Bindings bindings;
  for (int i = 0; i < network.graph.size(); ++i) {
    const Node& node = network.graph.node(i);
    if (!node.is(ops::input) && !node.is(ops::parameter)) continue;
    const std::string name(network.graph.leaf_name({i, 0}));
    const Array array = ramp(node.types[0], i);
    bindings[name] = ReferenceTensor::from(array);
    if (node.is(ops::input))
      compiled.inputs.push_back(array);
    else
      weights[name] = array;
  }
  compiled.expected = interpret(network.graph, bindings)[0];
  const ProgramEntry entry{"main", network.graph};
  compiled.program =
      compile_graphs("gates", {&entry, 1}, weights, {.lowering = std::move(lowering)});
  return compiled;
}

bool any_kernel(const CompiledProgram& program, std::string_view text) {
  return std::any_of(program.kernels.begin(), program.kernels.end(), [&](const auto& kernel) {
    return kernel.request.text.find(text) != std::string::npos;
  });
}

// A kernel with a sum that has a convolution, too.
bool joins_sums(const CompiledProgram& program) {
  return std::any_of(program.kernels.begin(), program.kernels.end(), [](const auto& kernel) {
    const std::string& text = kernel.request.text;
    return text.find("reduce_sum(") != std::string::npos && text.find("conv(") != std::string::npos;
  });
}

void check_runs(const Compiled& compiled) {
  const auto program = LoadedProgram::in_memory(compiled.program.program);
  ProgramInstance one = program->instance(1), two = program->instance(2),
                  five = program->instance(5);
  const Array first = one.run(0, compiled.inputs)[0];
  CHECK(relative_error(first, compiled.expected) <= 1e-5);
  for (int run = 0; run < 5; ++run) {
    CHECK(two.run(0, compiled.inputs)[0] == first);
    CHECK(five.run(0, compiled.inputs)[0] == first);
  }
}

// Whether some kernel multiplies weights of the last convolution.
bool scales_weights(const CompiledProgram& program, const Case& test) {
  const std::string type = "f32[" + std::to_string(test.outputs) + "," +
                           std::to_string(test.channels) + ",1,1] = multiply(";
  return any_kernel(program, type);
}

}  // namespace

TEST_CASE("gated layers equal the interpreter, with any number of threads") {
  for (const Case& test : kCases) {
    CAPTURE(test.name);
    const Compiled compiled = compile(test, {});
    CHECK(joins_sums(compiled.program) == test.joins);
    CHECK(scales_weights(compiled.program, test) == test.scales);
    check_runs(compiled);
  }
}

TEST_CASE("gated layers in plain layouts, and without each of the passes") {
  for (const char* without : {"layout", "join_sums", "scale_weights", "fuse"}) {
    for (const Case& test : {kCases[1], kCases[2], kCases[8], kCases[9]}) {
      CAPTURE(without);
      CAPTURE(test.name);
      const Compiled compiled = compile(test, {.without = {without}});
      if (std::string_view(without) == "join_sums") CHECK(!joins_sums(compiled.program));
      if (std::string_view(without) == "scale_weights")
        CHECK(!scales_weights(compiled.program, test));
      check_runs(compiled);
    }
  }
}
