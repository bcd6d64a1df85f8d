// Windows: taps, ceil_mode, and gradients adjoint to their ops for any attributes.
#include <doctest/doctest.h>

#include <random>

#include "ir/gradient.h"
#include "ir/interpret.h"
#include "ir/ops/leaf.h"
#include "ir/ops/window.h"
#include "ir/print.h"

using namespace ag;

namespace {

struct Draw {
  std::mt19937_64 engine;
  int64_t between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  }
  ReferenceTensor tensor(const TensorType& type, int64_t low, int64_t high) {
    ReferenceTensor values(type.dtype, type.shape);
    for (int64_t i = 0; i < values.count(); ++i)
      values.set(i, static_cast<double>(between(low, high)));
    return values;
  }
};

struct RandomWindow {
  Shape shape;
  WindowSpec spec;

  explicit RandomWindow(Draw& draw) {
    shape.push_back(draw.between(1, 2));
    for (int64_t axis = draw.between(1, 2); axis > 0; --axis) {
      spec.window.push_back(draw.between(1, 4));
      spec.stride.push_back(draw.between(1, 4));
      spec.dilation.push_back(draw.between(1, 3));
      spec.low.push_back(draw.between(0, 3));
      spec.high.push_back(draw.between(0, 3));
      int last = spec.sliding_rank() - 1;
      int64_t least = spec.reach(last) - spec.low[last] - spec.high[last];
      shape.push_back(std::max<int64_t>(1, least) + draw.between(0, 5));
    }
  }
};

double inner_product(const ReferenceTensor& a, const ReferenceTensor& b) {
  REQUIRE(a.shape == b.shape);
  double sum = 0;
  for (int64_t i = 0; i < a.count(); ++i) sum += a.floats[i] * b.floats[i];
  return sum;
}

// <dy, f(x)> = <gradient, x> for a node that is linear in its first operand.
void check_adjoint(Graph& graph, int index, int64_t taps, Draw& draw) {
  const Node& node = graph.node(index);
  Tensor dy = input(graph, "dy", node.types[0]);
  std::vector<Tensor> result_gradients{dy}, gradients(node.operands.size());
  std::vector<bool> wanted(node.operands.size(), false);
  wanted[0] = true;
  GradContext context{graph, node, index, result_gradients, wanted, gradients};
  node.op->grad(context);
  Bindings bindings;
  for (Value leaf : graph.leaves(ops::input)) {
    const TensorType& type = graph.type(leaf);
    bool is_taps = !is_float(type.dtype);
    bindings.emplace(graph.leaf_name(leaf),
                     is_taps ? draw.tensor(type, 0, taps - 1) : draw.tensor(type, -8, 8));
  }
  auto values = interpret_all(graph, bindings);
  auto value = [&](Value v) -> const ReferenceTensor& { return values[v.node][v.result]; };
  CHECK(inner_product(value(dy.value()), value({index, 0})) ==
        inner_product(value(gradients[0].value()), value(node.operands[0])));
}

}  // namespace

TEST_CASE("gradients of windows are adjoint") {
  Draw draw{std::mt19937_64(7)};
  for (int round = 0; round < 300; ++round) {
    RandomWindow random(draw);
    TensorType type = tensor_type(DType::f64, random.shape);
    Graph sums, gathers, scatters;
    Tensor y = apply(ops::sum_pool, {input(sums, "x", type)}, random.spec.attributes(), {});
    CAPTURE(print(sums));
    check_adjoint(sums, y.value().node, 1, draw);

    TensorType taps = tensor_type(DType::i32, y.shape());
    Tensor x = input(gathers, "x", type);
    Tensor gathered = window_gather(x, input(gathers, "taps", taps), random.spec);
    check_adjoint(gathers, gathered.value().node, random.spec.taps(), draw);

    Tensor dy = input(scatters, "x", y.type());
    Tensor scattered = window_scatter(dy, input(scatters, "taps", taps), type, random.spec);
    check_adjoint(scatters, scattered.value().node, random.spec.taps(), draw);
  }
}

TEST_CASE("taps count from the first position of the window, padding included") {
  Graph graph;
  Tensor x = input(graph, "x", f32(1, 1, 4));
  auto [values, taps] = max_pool_with_taps(x, {.window = {3}, .stride = {2}, .padding = {1, 1}});
  graph.add_output("values", values.value());
  graph.add_output("taps", taps.value());
  ReferenceTensor operand(DType::f32, {1, 1, 4});
  operand.floats = {-5, -7, -7, -9};
  auto results = interpret(graph, {{"x", operand}});
  CHECK(results[0].floats == std::vector<double>{-5, -7});
  CHECK(results[1].integers == std::vector<int64_t>{1, 0});
}

TEST_CASE("ceil_mode adds the window that starts inside, and no other") {
  auto windows = [](int64_t extent, PoolOptions options) {
    Graph graph;
    options.ceil_mode = true;
    return sum_pool(input(graph, "x", f32(1, 1, extent)), options).extent(2);
  };
  CHECK(windows(6, {.window = {2}, .stride = {2}}) == 3);
  CHECK(windows(7, {.window = {2}, .stride = {2}}) == 4);
  CHECK(windows(4, {.window = {1}, .stride = {3}}) == 2);
  CHECK(windows(6, {.window = {3}, .stride = {2}, .padding = {1, 1}}) == 4);
  // The fourth window would start in the padding behind the last element.
  CHECK(windows(5, {.window = {2}, .stride = {2}, .padding = {1, 1}}) == 3);
}
