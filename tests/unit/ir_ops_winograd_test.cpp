#include <doctest/doctest.h>

#include <cmath>

#include "ir/interpret.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/ops/winograd.h"

using namespace ag;

namespace {

struct Case {
  Shape x, w;
  Integers padding, dilation = {};
};

const Case kCases[] = {
    {{1, 1, 3, 3}, {1, 1, 3, 3}, {0, 0, 0, 0}},  // one result
    {{2, 3, 7, 9}, {4, 3, 3, 3}, {1, 1, 1, 1}},  // tiles beyond the result
    {{1, 2, 8, 12}, {3, 2, 3, 3}, {1, 1, 1, 1}},
    {{1, 2, 6, 5}, {3, 2, 3, 3}, {0, 2, 1, 0}},
    {{2, 3, 12, 17}, {4, 3, 3, 3}, {2, 2, 3, 3}, {2, 3}},  // phases of unequal length
    {{1, 2, 5, 9}, {3, 2, 3, 3}, {9, 9, 2, 4}, {7, 1}},    // most taps meet padding
    {{2, 2, 4, 7, 6}, {3, 2, 3, 3, 3}, {1, 1, 1, 1, 1, 1}},
    {{1, 2, 6, 8, 8}, {3, 2, 2, 3, 3}, {0, 3, 2, 2, 0, 1}, {2, 2, 1}},
    {{1, 2, 2, 3, 5, 5}, {2, 2, 3, 2, 3, 3}, {1, 1, 1, 0, 1, 1, 1, 1}},  // two axes in front
};

ReferenceTensor ramp(const Shape& shape) {
  ReferenceTensor tensor(DType::f64, shape);
  for (int64_t i = 0; i < tensor.count(); ++i) {
    tensor.floats[i] = static_cast<double>(i * 7919 % 2003) / 1001.5 - 1;
  }
  return tensor;
}

}  // namespace

TEST_CASE("winograd_conv of transformed weights is the convolution") {
  for (const Case& test : kCases) {
    for (int64_t tile : {2, 4}) {
      CAPTURE(to_string(test.x));
      CAPTURE(tile);
      Graph graph("g");
      const Tensor x{graph, graph.add_leaf(ops::input, "x", tensor_type(DType::f64, test.x), {})};
      const Tensor w{graph, graph.add_leaf(ops::input, "w", tensor_type(DType::f64, test.w), {})};
      const Tensor u = winograd_weights(w, tile);
      graph.add_output(
          "y", conv(x, w, {.padding = test.padding, .rhs_dilation = test.dilation}).value());
      graph.add_output("fast", winograd_conv(x, u, tile, test.padding, test.dilation).value());
      const auto results = interpret(graph, {{"x", ramp(test.x)}, {"w", ramp(test.w)}});
      REQUIRE(results[0].shape == results[1].shape);
      for (int64_t i = 0; i < results[0].count(); ++i) {
        REQUIRE(std::fabs(results[0].floats[i] - results[1].floats[i]) < 1e-12);
      }
    }
  }
}

TEST_CASE("winograd_backward_weights is the gradient towards the weights") {
  for (const Case& test : kCases) {
    if (test.x.size() > 4 || !test.dilation.empty()) continue;
    for (int64_t tile : {2, 4}) {
      CAPTURE(to_string(test.x));
      CAPTURE(tile);
      Graph graph("g");
      const Tensor x{graph, graph.add_leaf(ops::input, "x", tensor_type(DType::f64, test.x), {})};
      const Tensor w{graph, graph.add_leaf(ops::input, "w", tensor_type(DType::f64, test.w), {})};
      const Shape results = conv(x, w, {.padding = test.padding}).shape();
      const Tensor dy{graph,
                      graph.add_leaf(ops::input, "dy", tensor_type(DType::f64, results), {})};
      graph.add_output("dw", conv(x, dy, {.padding = test.padding, .dims = "cn,io->cn"}).value());
      graph.add_output("fast", winograd_backward_weights(x, dy, tile, test.padding).value());
      const auto dws =
          interpret(graph, {{"x", ramp(test.x)}, {"w", ramp(test.w)}, {"dy", ramp(results)}});
      REQUIRE(dws[0].shape == test.w);
      REQUIRE(dws[1].shape == test.w);
      for (int64_t i = 0; i < dws[0].count(); ++i) {
        REQUIRE(std::fabs(dws[0].floats[i] - dws[1].floats[i]) < 1e-12);
      }
    }
  }
}

TEST_CASE("winograd_backward_weights explains its errors") {
  Graph graph("g");
  const Tensor x{graph, graph.add_leaf(ops::input, "x", f32(1, 2, 8, 8), {})};
  const Tensor dy{graph, graph.add_leaf(ops::input, "dy", f32(1, 3, 6, 6), {})};
  const Tensor flat{graph, graph.add_leaf(ops::input, "flat", f32(1, 2, 8), {})};
  CHECK_THROWS_WITH_AS(winograd_backward_weights(x, dy, 3), doctest::Contains("tile is 3"),
                       CompileError);
  CHECK_THROWS_WITH_AS(winograd_backward_weights(x, flat, 2), doctest::Contains("are not images"),
                       CompileError);
  CHECK_THROWS_WITH_AS(winograd_backward_weights(x, dy, 2, {1, 1}), doctest::Contains("2 entries"),
                       CompileError);
  CHECK_THROWS_WITH_AS(winograd_backward_weights(x, dy, 2, {1, 1, 1, 1}),
                       doctest::Contains("does not fit operand"), CompileError);
  CHECK_THROWS_WITH_AS(winograd_backward_weights(x, dy, 2, {-1, 1, 0, 0}),
                       doctest::Contains("leaves no room"), CompileError);
}

TEST_CASE("winograd_weights explains its errors") {
  Graph graph("g");
  const Tensor w{graph, graph.add_leaf(ops::input, "w", f32(3, 2, 3, 3), {})};
  const Tensor wide{graph, graph.add_leaf(ops::input, "wide", f32(3, 2, 3, 5), {})};
  CHECK_THROWS_WITH_AS(winograd_weights(w, 3), doctest::Contains("tile is 3"), CompileError);
  CHECK_THROWS_WITH_AS(winograd_weights(wide, 2), doctest::Contains("no weights of 3x3 taps"),
                       CompileError);
  CHECK(winograd_weights(w, 4, true).shape() == Shape{2, 3, 6, 6});
}

TEST_CASE("winograd_conv explains its errors") {
  Graph graph("g");
  const Tensor x{graph, graph.add_leaf(ops::input, "x", f32(1, 2, 8, 8), {})};
  const Tensor u{graph, graph.add_leaf(ops::input, "u", f32(3, 2, 4, 4), {})};
  CHECK_THROWS_WITH_AS(winograd_conv(x, u, 4), doctest::Contains("do not fit operand"),
                       CompileError);
  CHECK_THROWS_WITH_AS(winograd_conv(x, u, 3), doctest::Contains("tile is 3"), CompileError);
  CHECK_THROWS_WITH_AS(winograd_conv(x, u, 2, {1, 1}), doctest::Contains("2 entries"),
                       CompileError);
  CHECK_THROWS_WITH_AS(winograd_conv(x, u, 2, {}, {2}), doctest::Contains("1 entries"),
                       CompileError);
  CHECK_THROWS_WITH_AS(winograd_conv(x, u, 2, {}, {2, 0}), doctest::Contains("at least 1"),
                       CompileError);
  CHECK_THROWS_WITH_AS(winograd_conv(x, u, 2, {}, {4, 1}), doctest::Contains("at least 9 elements"),
                       CompileError);
}
