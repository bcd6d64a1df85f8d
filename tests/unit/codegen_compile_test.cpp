// Compiled programs against the interpreter.

#include <doctest/doctest.h>

#include <cmath>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "ir/interpret.h"
#include "ir/ops/index.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/random.h"
#include "ir/ops/reduce.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"
#include "ir/ops/window.h"
#include "tests/all_threads.h"
#include "tests/ramp.h"

namespace {

using namespace ag;

struct Values {
  std::map<std::string, Array> weights;
  std::vector<Array> inputs;
  Bindings bindings;

  explicit Values(const Graph& graph) {
    int seed = 0;
    for (int i = 0; i < graph.size(); ++i) {
      if (graph.node(i).op->kind != OpKind::leaf) continue;
      Value leaf{i, 0};
      Array array = ramp(graph.type(leaf), ++seed);
      bindings[graph.leaf_name(leaf)] = ReferenceTensor::from(array);
      if (graph.is_leaf(leaf, ops::input))
        inputs.push_back(array);
      else
        weights[graph.leaf_name(leaf)] = array;
    }
  }
};

void check_close(const Array& got, const ReferenceTensor& want, double tolerance) {
  REQUIRE(got.count() == want.count());
  double largest = 1e-30, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    largest = std::max(largest, std::fabs(want.number(i)));
    double error = std::fabs(got.get_double(i) - want.number(i));
    worst = std::isnan(error) ? error : std::max(worst, error);
  }
  CHECK(worst <= tolerance * largest);
}

// Runs the graph compiled and in the interpreter and compares every output; updated parameters and
// states are read back.
void check_compiled(const Graph& graph, double tolerance = 1e-5) {
  Values values(graph);
  std::vector<ReferenceTensor> want = interpret(graph, values.bindings);
  ProgramEntry entry{"main", graph};
  CompiledProgram compiled = compile_graphs("test", {&entry, 1}, values.weights);
  ProgramInstance instance =
      LoadedProgram::in_memory(on_all_threads(compiled.program))->instance(2);
  std::vector<Array> got = instance.run(0, values.inputs);
  size_t next = 0;
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    const Output& output = graph.outputs()[i];
    INFO(output.name);
    check_close(output.updates ? instance.get(output.name) : got[next++], want[i], tolerance);
  }
}

}  // namespace

TEST_CASE("an elementwise chain is one kernel and right") {
  Graph graph("chain");
  Tensor x = input(graph, "x", f32(5, 7, 9)), b = parameter(graph, "b", f32(9));
  graph.add_output("y", relu(tanh(x * 2.0) + b).value());
  CHECK(lower_to_kernels(graph, host_target()).size() == 3);
  check_compiled(graph);
}

TEST_CASE("softmax is one kernel and right") {
  Graph graph("softmax");
  Tensor x = input(graph, "x", f32(33, 10));
  graph.add_output("y", softmax(x, 1).value());
  CHECK(lower_to_kernels(graph, host_target()).size() == 2);
  check_compiled(graph);
}

TEST_CASE("sums over rows, columns and everything") {
  Graph graph("sums");
  Tensor x = input(graph, "x", f32(6, 20, 9, 9));
  graph.add_output("channels", reduce_sum(x * x, {0, 2, 3}).value());
  graph.add_output("images", reduce_mean(x, {2, 3}).value());
  graph.add_output("all", reduce_sum(x, {0, 1, 2, 3}).value());
  graph.add_output("largest", reduce_max(x, {1}).value());
  graph.add_output("where", argmax(x, 1).value());
  check_compiled(graph);
}

TEST_CASE("views move elements") {
  Graph graph("views");
  Tensor x = input(graph, "x", f32(4, 6, 5));
  Tensor moved = reshape(transpose(x, {2, 0, 1}), {10, 12});
  graph.add_output("a", pad(moved, {1, 2}, {0, 1}, {}, 3.0).value());
  graph.add_output("b",
                   concat({slice(x, {0, 1, 0}, {4, 6, 5}, {1, 2, 1}), reverse(x, {1})}, 1).value());
  check_compiled(graph);
}

TEST_CASE("parameters and states are updated in place, and old values stay readable") {
  Graph graph("sgd");
  Tensor gradient = input(graph, "gradient", f32(3, 50));
  Tensor weight = parameter(graph, "weight", f32(3, 50)),
         momentum = state(graph, "momentum", f32(3, 50));
  Tensor velocity = momentum * 0.9 + gradient;
  graph.add_output("norm", reduce_sum(weight * weight, {0, 1}).value());
  graph.add_update("momentum", velocity.value());
  graph.add_update("weight", (weight - velocity * 0.1).value());
  check_compiled(graph);
}

TEST_CASE("a state that moves is copied, not overwritten") {
  Graph graph("rotate");
  Tensor x = input(graph, "x", f32(4));
  Tensor s = state(graph, "s", f32(4));
  graph.add_update("s", (reverse(s, {0}) + x).value());
  check_compiled(graph);
}

TEST_CASE("what depends on parameters alone is prepared once") {
  Graph graph("prepare");
  Tensor x = input(graph, "x", f32(8)), w = parameter(graph, "w", f32(8));
  graph.add_output("y", (x + reverse(exp(w), {0})).value());
  check_compiled(graph);
}

TEST_CASE("pooling, its taps and its gradient") {
  Graph graph("pooling");
  Tensor x = input(graph, "x", f32(2, 3, 11, 9)), dy = input(graph, "dy", f32(2, 3, 6, 5));
  auto [y, taps] =
      max_pool_with_taps(x, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1, 1, 1}});
  WindowSpec spec = WindowSpec::of(graph.node(y.value()));
  graph.add_output("y", y.value());
  graph.add_output("taps", taps.value());
  graph.add_output("dx", window_scatter(dy, taps, x.type(), spec).value());
  graph.add_output("gathered", window_gather(x, taps, spec).value());
  graph.add_output("sum", sum_pool(x, {.window = {2, 2}, .stride = {2, 2}}).value());
  check_compiled(graph);
}

TEST_CASE("reading and adding at indices") {
  Graph graph("indices");
  Tensor x = input(graph, "x", f32(5, 7)), table = input(graph, "table", f32(9, 4));
  Tensor labels =
      constant(graph, Array::of<int32_t>({5, 1}, std::vector<int32_t>{3, 0, 6, -1, 99}));
  Tensor rows = reshape(labels, {5});
  graph.add_output("taken", take_along(x, labels, 1).value());
  graph.add_output("spread",
                   scatter_along_add(slice(x, {0, 0}, {5, 1}), labels, 1, f32(5, 7)).value());
  graph.add_output("rows", gather_rows(table, rows).value());
  graph.add_output("added", scatter_rows_add(slice(x, {0, 0}, {5, 4}), rows, f32(9, 4)).value());
  check_compiled(graph);
}

TEST_CASE("random bits are Philox's") {
  Graph graph("random");
  Tensor key =
      constant(graph, Array::of<uint32_t>({2}, std::vector<uint32_t>{123456789, 987654321}));
  Tensor x = input(graph, "x", f32(17, 5));
  graph.add_output("bits", random_bits(key, {3, 7}, 5).value());
  graph.add_output("dropped", dropout(x, key, 0.3).value());
  graph.add_output("next", next_key(key).value());
  check_compiled(graph);
}

TEST_CASE("a missing weight is named") {
  Graph graph("missing");
  Tensor x = input(graph, "x", f32(8)), w = parameter(graph, "w", f32(8));
  graph.add_output("y", (x + w).value());
  ProgramEntry entry{"main", graph};
  CHECK_THROWS_WITH_AS(compile_graphs("test", {&entry, 1}, {}),
                       doctest::Contains("no value for 'w' (f32[8])"), CompileError);
}
