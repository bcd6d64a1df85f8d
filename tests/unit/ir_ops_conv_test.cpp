// The general convolution: its gradients are adjoint to it for any attributes, and stay
// convolutions; its errors.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

#include "ir/gradient.h"
#include "ir/interpret.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/print.h"

using namespace ag;

namespace {

struct Draw {
  std::mt19937_64 engine;
  int64_t between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  }
};

ReferenceTensor random_tensor(const TensorType& type, Draw& draw) {
  ReferenceTensor tensor(type.dtype, type.shape);
  for (double& value : tensor.floats) value = static_cast<double>(draw.between(-8, 8));
  return tensor;
}

double inner_product(const ReferenceTensor& a, const ReferenceTensor& b) {
  REQUIRE(a.shape == b.shape);
  double sum = 0;
  for (int64_t i = 0; i < a.count(); ++i) sum += a.floats[i] * b.floats[i];
  return sum;
}

// A conv of random attributes that the shape rule accepts.
struct RandomConv {
  Shape lhs{0, 0}, rhs{0, 0};
  ConvSpec spec;

  explicit RandomConv(Draw& draw) {
    ConvDims& d = spec.dims;
    d.lhs_batch = static_cast<int>(draw.between(0, 1));
    d.rhs_output = static_cast<int>(draw.between(0, 1));
    d.out_batch = static_cast<int>(draw.between(0, 1));
    d.lhs_channel = 1 - d.lhs_batch;
    d.rhs_input = 1 - d.rhs_output;
    d.out_channel = 1 - d.out_batch;
    spec.groups = draw.between(1, 3);
    lhs[d.lhs_batch] = draw.between(1, 2);
    rhs[d.rhs_output] = draw.between(1, 3);
    lhs[d.lhs_channel] = rhs[d.rhs_input] = draw.between(1, 2);
    if (spec.groups > 1) {
      for (int* axis : {&d.lhs_group, &d.rhs_group, &d.out_group})
        *axis = static_cast<int>(draw.between(0, 1));
      lhs[d.lhs_group] *= spec.groups;
      rhs[d.rhs_group] *= spec.groups;
    }
    spec.reverse = draw.between(0, 1) == 1;
    for (int64_t axis = draw.between(0, 2); axis > 0; --axis) add_spatial_axis(draw);
  }

  void add_spatial_axis(Draw& draw) {
    lhs.push_back(draw.between(1, 6));
    rhs.push_back(draw.between(1, 4));
    spec.stride.push_back(draw.between(1, 3));
    spec.lhs_dilation.push_back(draw.between(1, 3));
    spec.rhs_dilation.push_back(draw.between(1, 3));
    spec.low.push_back(draw.between(-2, 3));
    int64_t lack = dilated_extent(rhs.back(), spec.rhs_dilation.back()) -
                   dilated_extent(lhs.back(), spec.lhs_dilation.back()) - spec.low.back();
    spec.high.push_back(std::max<int64_t>(lack, draw.between(-2, 3)));
  }
};

// <dy, f(x)> = <gradient of operand, operand>, for a node that is linear in each operand.
void check_adjoint(Graph& graph, int index, Draw& draw, int depth) {
  const Node& node = graph.node(index);
  Tensor dy = input(graph, fmt::format("dy{}", graph.size()), node.types[0]);
  std::vector<Tensor> result_gradients{dy}, gradients(2);
  std::vector<bool> wanted(2, true);
  GradContext context{graph, node, index, result_gradients, wanted, gradients};
  ops::conv.grad(context);

  Bindings bindings;
  for (Value leaf : graph.leaves(ops::input))
    bindings.emplace(graph.leaf_name(leaf), random_tensor(graph.type(leaf), draw));
  auto values = interpret_all(graph, bindings);
  auto value = [&](Value v) -> const ReferenceTensor& { return values[v.node][v.result]; };
  double forward = inner_product(value(dy.value()), value({index, 0}));
  for (int i = 0; i < 2; ++i) {
    CHECK(graph.node(gradients[i].value()).is(ops::conv));
    CHECK(inner_product(value(gradients[i].value()), value(node.operands[i])) == forward);
  }
  if (depth == 0) return;
  for (const Tensor& gradient : gradients)
    check_adjoint(graph, gradient.value().node, draw, depth - 1);
}

std::string error_of(TensorType lhs, TensorType rhs, ConvOptions options) {
  Graph graph;
  Tensor x = input(graph, "x", std::move(lhs)), w = input(graph, "w", std::move(rhs));
  try {
    conv(x, w, std::move(options));
  } catch (const CompileError& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("gradients of any convolution are adjoint convolutions, twice over") {
  Draw draw{std::mt19937_64(20)};
  for (int round = 0; round < 400; ++round) {
    RandomConv random(draw);
    Graph graph;
    Tensor x = input(graph, "x", tensor_type(DType::f64, random.lhs));
    Tensor w = input(graph, "w", tensor_type(DType::f64, random.rhs));
    Tensor y = apply(ops::conv, {x, w}, random.spec.attributes(), {});
    CAPTURE(print(graph));
    check_adjoint(graph, y.value().node, draw, 1);
  }
}

TEST_CASE("a small convolution by hand") {
  Graph graph;
  Tensor x = input(graph, "x", f32(1, 1, 4)), w = input(graph, "w", f32(1, 1, 2));
  graph.add_output("plain", conv(x, w).value());
  graph.add_output("strided", conv(x, w, {.stride = {2}, .padding = {1, 1}}).value());
  graph.add_output("reversed", conv(x, w, {.reverse = true}).value());
  graph.add_output("transposed", conv_transpose(x, w, {.stride = {2}}).value());
  graph.add_output("cropped", conv(x, w, {.padding = {-1, 0}}).value());
  ReferenceTensor values(DType::f32, {1, 1, 4}), taps(DType::f32, {1, 1, 2});
  values.floats = {1, 2, 3, 4};
  taps.floats = {10, 1};
  auto results = interpret(graph, {{"x", values}, {"w", taps}});
  CHECK(results[0].floats == std::vector<double>{12, 23, 34});
  CHECK(results[1].floats == std::vector<double>{1, 23, 40});
  CHECK(results[2].floats == std::vector<double>{21, 32, 43});
  CHECK(results[3].floats == std::vector<double>{10, 1, 20, 2, 30, 3, 40, 4});
  CHECK(results[4].floats == std::vector<double>{23, 34});
}

TEST_CASE("dims strings") {
  for (const char* text : {"nc,oi->nc", "nC,Oi->nC", "cN,iO->Cn", "cn,io->cn"})
    CHECK(ConvDims::parse(text).text() == text);
  for (const char* text : {"", "nc,oi", "nc,oi->nn", "NC,Oi->nC", "nC,oi->nc", "nc,oi->nc,"})
    CHECK_THROWS_AS(ConvDims::parse(text), CompileError);
}

TEST_CASE("errors name both values and a way out") {
  std::string channels = error_of(f32(8, 64, 56, 56), f32(128, 32, 3, 3), {});
  CHECK(contains(channels,
                 "conv: filter f32[128,32,3,3] expects 32 input channels, but operand "
                 "f32[8,64,56,56] has 64 (groups=1)"));
  CHECK(contains(channels, "help: set groups=2, or make the filter f32[128,64,3,3]"));
  CHECK(contains(channels, "ir_ops_conv_test.cpp:"));
  CHECK(contains(channels, "conv(%x: f32[8,64,56,56], %w: f32[128,32,3,3])"));

  std::string size = error_of(f32(1, 3, 4, 9), f32(8, 3, 7, 7), {});
  CHECK(contains(size, "axis 2 would have a negative extent: the filter covers 7 elements"));
  CHECK(contains(size, "help: pad by 3 more, or use a smaller filter"));

  CHECK(contains(error_of(f32(1, 3, 9), f32(4, 3, 3), {.stride = {1, 2}}),
                 "stride [1,2] has 2 entries, but 1 spatial axes want 1"));
  CHECK(contains(error_of(f32(1, 3, 9), f32(4, 3, 3), {.padding = {1}}),
                 "help: give low and high of every spatial axis"));
  CHECK(contains(error_of(f32(1, 3, 9), f32(4, 3, 3), {.stride = {0}}), "stride 0 must be"));
  CHECK(contains(error_of(f32(1, 4, 9), f32(3, 2, 3), {.groups = 2}),
                 "filter f32[3,2,3] has extent 3 along axis 0, which 2 groups do not divide"));
  CHECK(contains(error_of(f32(1, 4, 9), f32(3, 2, 3, 3), {}), "rank 3 and filter"));
}
