#include <doctest/doctest.h>

#include "ir/gradient.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/ops/loss.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/pool.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/print.h"
#include "passes/autograd.h"
#include "tests/gradient_check.h"

using namespace ag;

namespace {

Bindings sample_bindings(const Graph& graph) {
  Bindings bindings;
  int seed = 0;
  for (int i = 0; i < graph.size(); ++i) {
    if (graph.node(i).op->kind == OpKind::leaf) {
      Value leaf{i, 0};
      bindings.emplace(graph.leaf_name(leaf), sample_tensor(graph.type(leaf), ++seed));
    }
  }
  return bindings;
}

ReferenceTensor run_output(const Graph& graph, const Bindings& bindings, const std::string& name) {
  std::vector<ReferenceTensor> outputs = interpret(graph, bindings);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (graph.outputs()[i].name == name) return outputs[i];
  }
  FAIL("no output " << name);
  return {};
}

// Every "grad.NAME" of the graph against central differences of `loss`.
void check_gradients(const Graph& graph, double tolerance = 1e-6) {
  Bindings bindings = sample_bindings(graph);
  int checked = 0;
  for (const Output& output : graph.outputs()) {
    if (output.name.rfind("grad.", 0) != 0) continue;
    std::string leaf = output.name.substr(5);
    CAPTURE(leaf);
    ReferenceTensor expected = central_difference(graph, bindings, "loss", leaf);
    CHECK(relative_difference(run_output(graph, bindings, output.name), expected) < tolerance);
    ++checked;
  }
  CHECK(checked > 0);
}

std::vector<std::string> output_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Output& output : graph.outputs()) names.push_back(output.name);
  return names;
}

std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const CompileError& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// sum over rows of a (rows x in) times b (in x out), written with broadcasts.
Tensor product(Tensor a, Tensor b) {
  Shape shape{a.extent(0), a.extent(1), b.extent(1)};
  return reduce_sum(broadcast(a, shape, {0, 1}) * broadcast(b, shape, {1, 2}), {1});
}

}  // namespace

TEST_CASE("the gradient of a polynomial") {
  Graph graph("polynomial");
  Tensor x = parameter(graph, "x", tensor_type(DType::f64, {5}));
  graph.add_output("loss", reduce_sum(3.0 * x * x * x - 2.0 * x + 1.0, {0}).value());
  Graph with_gradient = grad(graph);
  CHECK(output_names(with_gradient) == std::vector<std::string>{"loss", "grad.x"});
  Bindings bindings = sample_bindings(graph);
  ReferenceTensor found = run_output(with_gradient, bindings, "grad.x");
  for (int64_t i = 0; i < 5; ++i) {
    double value = bindings.at("x").floats[i];
    CHECK(found.floats[i] == doctest::Approx(9 * value * value - 2));
  }
}

TEST_CASE("a two-layer network's gradients equal central differences") {
  Graph graph("mlp");
  Tensor x = input(graph, "x", f32(3, 4));
  Tensor w1 = parameter(graph, "w1", f32(4, 5)), b1 = parameter(graph, "b1", f32(Shape{5}));
  Tensor w2 = parameter(graph, "w2", f32(5, 2)), b2 = parameter(graph, "b2", f32(Shape{2}));
  Tensor hidden = tanh(product(x, w1) + b1);
  Tensor y = sigmoid(product(hidden, w2) + b2);
  graph.add_output("loss", reduce_mean(y * y, {0, 1}).value());
  Graph with_gradient = grad(graph);
  CHECK(with_gradient.outputs().size() == 5);
  check_gradients(with_gradient);
}

TEST_CASE("a value used several times collects all its gradients") {
  Graph graph;
  Tensor x = parameter(graph, "x", f32(2, 3));
  Tensor y = exp(x);
  Tensor z = y * y + y / (1.0 + x * x) + transpose(transpose(y, {1, 0}) * 2.0, {1, 0});
  graph.add_output("loss", reduce_sum(z, {0, 1}).value());
  check_gradients(grad(graph));
}

TEST_CASE("gradients of gradients") {
  Graph graph;
  Tensor x = parameter(graph, "x", f32(Shape{4}));
  Tensor first = reduce_sum(x * x * x + sin(x), {0});
  Tensor slope = gradients(first, std::vector{x})[0];
  graph.add_output("loss", reduce_sum(slope * slope, {0}).value());
  check_gradients(grad(graph));
}

// A Hessian-vector product, H·v = d/dw (dloss/dw · v), against differences of first gradients.
TEST_CASE("the Hessian-vector product of a small CNN") {
  Graph graph("cnn");
  Tensor image = input(graph, "image", f32(2, 1, 6, 6));
  Tensor labels = input(graph, "labels", tensor_type(DType::i32, {2}));
  std::vector<Tensor> weights{
      parameter(graph, "conv1", f32(3, 1, 3, 3)), parameter(graph, "scale", f32(Shape{3})),
      parameter(graph, "shift", f32(Shape{3})), parameter(graph, "conv2", f32(2, 3, 2, 2)),
      parameter(graph, "fc", f32(4, 3))};
  Tensor y = conv(image, weights[0], {.padding = {1, 1, 1, 1}});
  y = tanh(batch_norm_training(y, weights[1], weights[2]).y);
  y = avg_pool(y, {.window = {2, 2}, .stride = {2, 2}});
  y = sigmoid(conv(y, weights[3], {.stride = {1, 1}}));
  y = reduce_mean(reshape(y, {2, 2, 4}), {1});
  graph.add_output("loss", cross_entropy(matmul(y, weights[4]), labels).value());

  std::vector<std::string> names{"conv1", "scale", "shift", "conv2", "fc"};
  Graph first = grad(graph, {.with_respect_to = names});
  Tensor product;  // gradient · v, v a second set of leaves
  for (const std::string& name : names) {
    Tensor slope(first, first.output("grad." + name));
    Tensor v = input(first, "v." + name, slope.type());
    std::vector<int> axes;
    for (int axis = 0; axis < v.rank(); ++axis) axes.push_back(axis);
    Tensor part = reduce_sum(slope * v, axes);
    product = product.valid() ? product + part : part;
  }
  first.add_output("product", product.value());
  Graph second = grad(first, {.of = "product", .with_respect_to = names, .prefix = "hessian."});

  Bindings bindings = sample_bindings(second);
  bindings["labels"] = ReferenceTensor(DType::i32, {2});
  bindings["labels"].integers = {2, 0};
  auto gradients_at = [&](double step) {
    Bindings moved = bindings;
    for (const std::string& name : names) {
      for (int64_t i = 0; i < moved[name].count(); ++i)
        moved[name].floats[i] += step * moved["v." + name].floats[i];
    }
    return interpret(second, moved);
  };
  constexpr double kStep = 1e-5;
  std::vector<ReferenceTensor> above = gradients_at(kStep), below = gradients_at(-kStep);
  std::vector<ReferenceTensor> found = interpret(second, bindings);
  // Outputs: loss, the five first gradients, product, the five of H·v.
  for (size_t i = 0; i < names.size(); ++i) {
    CAPTURE(names[i]);
    ReferenceTensor expected = above[1 + i];
    for (int64_t k = 0; k < expected.count(); ++k)
      expected.floats[k] = (above[1 + i].floats[k] - below[1 + i].floats[k]) / (2 * kStep);
    CHECK(relative_difference(found[7 + i], expected) < 1e-6);
  }
}

TEST_CASE("with respect to an intermediate value and an unused one") {
  Graph graph;
  Tensor x = parameter(graph, "x", tensor_type(DType::f64, {3}));
  Tensor unused = parameter(graph, "unused", tensor_type(DType::f64, {2}));
  Tensor y = x * x;
  Tensor loss = reduce_sum(y * 5.0, {0});
  std::vector<Tensor> found = gradients(loss, std::vector{y, unused, x, y});
  for (size_t i = 0; i < found.size(); ++i) graph.add_output(std::to_string(i), found[i].value());
  std::vector<ReferenceTensor> values = interpret(graph, sample_bindings(graph));
  CHECK(values[0].floats == std::vector<double>{5, 5, 5});
  CHECK(values[1].floats == std::vector<double>{0, 0});
  double x0 = sample_bindings(graph).at("x").floats[0];
  CHECK(values[2].floats[0] == doctest::Approx(10 * x0));
  CHECK(values[3].floats == values[0].floats);
}

TEST_CASE("freezing a parameter removes its gradient computation") {
  Graph graph("freeze");
  Tensor x = input(graph, "x", f32(2, 3));
  Tensor w1 = parameter(graph, "w1", f32(3, 4)), w2 = parameter(graph, "w2", f32(4, 1));
  Tensor loss = reduce_mean(product(tanh(product(x, w1)), w2), {0, 1});
  graph.add_output("loss", loss.value());
  Graph both = grad(graph), last = grad(graph, {.with_respect_to = {"w2"}});
  CHECK(contains(print(both), "grad.w1="));
  CHECK(!contains(print(last), "grad.w1="));
  // Behind w2 only its own product is differentiated: nothing of tanh or of the first product.
  auto backward_multiplies = [&](const Graph& g) {
    int count = 0;
    for (int i = graph.size(); i < g.size(); ++i) count += g.node(i).is(ops::multiply);
    return count;
  };
  CHECK(backward_multiplies(last) == 2);
  CHECK(backward_multiplies(both) > backward_multiplies(last));
  check_gradients(last);
}

TEST_CASE("gradients stop at ops that are not differentiable") {
  Graph graph;
  Tensor x = parameter(graph, "x", tensor_type(DType::f64, {3}));
  Tensor loss = reduce_sum(stop_gradient(x) * x + floor(x), {0});
  graph.add_output("loss", loss.value());
  Bindings bindings = sample_bindings(graph);
  ReferenceTensor found = run_output(grad(graph), bindings, "grad.x");
  CHECK(relative_difference(found, bindings.at("x")) < 1e-12);
}

TEST_CASE("a composite without a rule is differentiated through its expansion") {
  static constinit const OpDef square_plus{
      .name = "square_plus",
      .kind = OpKind::composite,
      .arity = {2, 2},
      .infer = [](const InferContext& c) { return std::vector{c.operand(0)}; },
      .expand =
          [](const ExpandContext& c) {
            return std::vector{c.operands[0] * c.operands[0] + c.operands[1]};
          },
  };
  Graph graph;
  Tensor x = parameter(graph, "x", f32(Shape{3})), w = parameter(graph, "w", f32(Shape{3}));
  Tensor y = apply(square_plus, {x * w, w}, {}, Where::current());
  Tensor z = apply(square_plus, {y, y}, {}, Where::current());
  graph.add_output("loss", reduce_sum(z, {0}).value());
  check_gradients(grad(graph));
}

TEST_CASE("gradient nodes stand where their forward node does") {
  Graph graph;
  Tensor x = parameter(graph, "x", f32(Shape{3}));
  int line = __LINE__ + 1;
  Tensor y = tanh(x);
  graph.add_output("loss", reduce_sum(y * 2.0, {0}).value());
  Graph with_gradient = grad(graph);
  const Node& last = with_gradient.node(with_gradient.output("grad.x"));
  CHECK(last.location.line == line);
  CHECK(last.location.file == "passes_autograd_test.cpp");
}

TEST_CASE("mistakes") {
  Graph graph("net");
  Tensor x = parameter(graph, "x", f32(2, 3));
  Tensor count = parameter(graph, "count", tensor_type(DType::i32, {}));
  Tensor loss = reduce_sum(x, {0, 1});
  graph.add_output("loss", loss.value());
  graph.add_output("many", (x * 2.0).value());
  graph.add_output("integer", count.value());
  std::string many = error_of([&] { grad(graph, {.of = "many"}); });
  CHECK(contains(many, "is f32[2,3] with 6 elements, not one number"));
  CHECK(contains(many, "help: reduce it"));
  CHECK(contains(error_of([&] { grad(graph, {.of = "integer"}); }), "is i32[], not a float"));
  CHECK(contains(error_of([&] { grad(graph, {.of = "los"}); }), "has no output 'los'"));
  std::string integer = error_of([&] { grad(graph, {.with_respect_to = {"count"}}); });
  CHECK(contains(integer, "%count is i32[], but only floats have gradients"));
  std::string missing = error_of([&] { grad(graph, {.with_respect_to = {"w"}}); });
  CHECK(contains(missing, "graph @net has no leaf 'w'"));
  CHECK(contains(missing, "parameters: x, count"));
  // Of all parameters the integer one is left out.
  CHECK(output_names(grad(graph)).back() == "grad.x");
}

TEST_CASE("an op without gradient on the path is named with the leaf behind it") {
  static constinit const OpDef opaque{
      .name = "opaque",
      .arity = {1, 1},
      .infer = [](const InferContext& c) { return std::vector{c.operand(0)}; },
      .eval = [](const EvalContext& c) { c.result() = c.operand(0); },
  };
  Graph graph;
  Tensor x = parameter(graph, "x", f32(Shape{3}));
  Tensor y = apply(opaque, {x * 2.0}, {}, Where::current());
  graph.add_output("loss", reduce_sum(y, {0}).value());
  std::string message = error_of([&] { grad(graph); });
  CHECK(contains(message, "grad: opaque has no gradient, but the loss depends on %x through it"));
  CHECK(contains(message, "stop_gradient(%2)"));
  CHECK(contains(message, "passes_autograd_test.cpp:"));
}
