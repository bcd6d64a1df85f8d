// Linear layers, norms and softmax in compiled programs: right, and the same bits for any number of
// threads, also where tiles of columns or rows overlap because they do not divide the result.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "ir/interpret.h"
#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "ir/ops/leaf.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"
#include "tests/all_threads.h"
#include "tests/check_close.h"
#include "tests/ramp.h"

using namespace ag;

namespace {

// A network under construction.
struct Network {
  DType dtype = DType::f32;
  Graph graph{"g"};

  Tensor leaf(const OpDef& op, const std::string& name, Shape shape) {
    return {graph, graph.add_leaf(op, name, tensor_type(dtype, std::move(shape)), {})};
  }
  Tensor input(const std::string& name, Shape shape) {
    return leaf(ops::input, name, std::move(shape));
  }
  Tensor parameter(const std::string& name, Shape shape) {
    return leaf(ops::parameter, name, std::move(shape));
  }
  // [rows, features] → [rows, width]
  Tensor linear(const std::string& name, Tensor x, int64_t width) {
    Tensor y = matmul(x, parameter(name + ".w", {width, x.extent(1)}), {.transpose_b = true});
    return y + broadcast(parameter(name + ".b", {width}), y.shape(), {1});
  }
  Tensor norm(const std::string& name, Tensor x) {
    const int64_t width = x.extent(-1);
    return layer_norm(x, parameter(name + ".w", {width}), parameter(name + ".b", {width}), -1,
                      1e-5);
  }
  void output(Tensor y) { graph.add_output("y", y.value()); }
};

struct Case {
  std::string name;
  void (*build)(Network&);
  std::string schedule;  // a part of one of its kernels'
  // Whether it is run in other float types than f32. They differ in lanes, and in what is loaded
  // and stored, so one case of each schedule is enough for them, with sizes that fill nothing.
  bool other_types = true;
};

// A linear layer seen as [batch, tokens, width], GELU, a residual addition and a norm.
void token_block(Network& n, int64_t batch, int64_t tokens, int64_t width, int64_t hidden) {
  Tensor x = n.input("x", {batch, tokens, width});
  Tensor rows = reshape(n.norm("norm", x), {batch * tokens, width});
  Tensor y = gelu(reshape(n.linear("in", rows, hidden), {batch, tokens, hidden}));
  y = n.linear("out", reshape(y, {batch * tokens, hidden}), width);
  n.output(n.norm("last", x + reshape(y, {batch, tokens, width})));
}

// softmax(0.3 q kᵀ + bias + mask) v of `heads` heads; the bias is of a head, the mask of a sample.
void attention(Network& n, Shape queries, int64_t keys, int64_t width, bool masked) {
  const int64_t batch = queries[0], heads = queries[1], rows = queries[2];
  Tensor q = n.input("q", queries), k = n.input("k", {batch, heads, keys, queries[3]}),
         v = n.input("v", {batch, heads, keys, width});
  Tensor scores = matmul(0.3 * q, k, {.transpose_b = true});
  if (masked) {
    const Shape all = scores.shape();
    Tensor mask = n.input("mask", {batch, 1, rows, keys});
    scores = scores + broadcast(n.parameter("bias", {heads, rows, keys}), all, {1, 2, 3}) +
             broadcast(4.0 * mask, all, {0, 1, 2, 3});
  }
  n.output(matmul(softmax(scores), v));
}

const Case kCases[] = {
    {"attention over 197 tokens",
     [](Network& n) {
       attention(n, {1, 14, 197, 64}, 197, 64, false);
     },
     "attention{"},
    {"attention in windows, with bias and mask",
     [](Network& n) {
       attention(n, {75, 3, 49, 32}, 49, 32, true);
     },
     "attention{"},
    {"attention to other tokens, odd widths",
     [](Network& n) {
       attention(n, {4, 9, 61, 21}, 301, 19, true);
     },
     "attention{"},
    {"attention whose scores stay in cache",
     [](Network& n) {
       attention(n, {2, 3, 49, 32}, 49, 32, true);
     },
     "reduction{"},
    {"attention to long rows",
     [](Network& n) {
       attention(n, {1, 8, 44, 16}, 1500, 40, false);
     },
     "attention{", false},
    {"one row, columns in parallel",
     [](Network& n) {
       n.output(relu(n.linear("l", n.input("x", {1, 1500}), 1003)));
     },
     "matvec{", false},
    {"one row, far weights, a depth of half vectors",
     [](Network& n) {
       n.output(relu(n.linear("l", n.input("x", {1, 440}), 1000)));
     },
     "matvec{lanes="},
    {"three rows, odd depth",
     [](Network& n) {
       n.output(n.linear("l", n.input("x", {3, 1021}), 701));
     },
     "matvec{"},
    {"columns no multiple of a vector, rows no multiple of a tile",
     [](Network& n) {
       n.output(n.linear("l", n.input("x", {67, 301}), 203));
     },
     "matmul{"},
    {"panels of columns, in parallel",
     [](Network& n) {
       n.output(n.linear("l", n.input("x", {197, 192}), 576));
     },
     "matmul{"},
    {"products whose left operands lie transposed, far away",
     [](Network& n) {
       n.output(matmul(n.input("a", {3, 4, 131, 197}), n.input("b", {3, 4, 131, 70}),
                       {.transpose_a = true}));
     },
     "pack_left=1"},
    {"sums over many rows",
     [](Network& n) {
       n.output(reduce_sum(n.input("x", {1200, 208}), {0}));
     },
     "reduction{"},
    {"two sums over rows of samples",
     [](Network& n) {
       Tensor x = n.input("x", {30, 40, 112}), y = n.input("y", {30, 40, 112});
       n.output(concat({reduce_sum(x, {0, 1}), reduce_sum(x * y, {0, 1})}, 0));
     },
     "reduction{"},
    {"tokens of one sample", [](Network& n) { token_block(n, 1, 49, 96, 384); }, "reduction{",
     false},
    {"tokens of odd widths", [](Network& n) { token_block(n, 3, 11, 75, 130); }, "reduction{"},
    {"tokens with narrow rows", [](Network& n) { token_block(n, 2, 9, 3, 5); }, "reduction{"},
    {"a norm whose rows are moved behind it",
     [](Network& n) {
       Tensor y = n.norm("norm", n.input("x", {2, 6, 4, 40}));
       n.output(reshape(transpose(y, {0, 2, 1, 3}), {2, 4, 240}));
     },
     "reduction{", false},
    {"patches merged along rows",
     [](Network& n) {
       Tensor x = n.input("x", {2, 6, 4, 32});
       const auto part = [&](int64_t y, int64_t column) {
         return slice(x, {0, y, column, 0}, {2, 6, 4, 32}, {1, 2, 2, 1});
       };
       n.output(1.5 * concat({part(0, 0), part(1, 0), part(0, 1), part(1, 1)}, 3));
     },
     "pointwise{"},
    {"unequal parts along rows",
     [](Network& n) {
       n.output(
           relu(concat({n.input("a", {5, 64}), n.input("b", {5, 32}), n.input("c", {5, 96})}, 1)));
     },
     "pointwise{", false},
    {"softmax of 197",
     [](Network& n) {
       n.output(softmax(n.input("x", {3, 5, 197})));
     },
     "reduction{", false},
    {"softmax of 49, of a transposed bias",
     [](Network& n) {
       Tensor bias = transpose(n.parameter("bias", {49, 49, 3}), {2, 0, 1});
       n.output(softmax(n.input("x", {8, 3, 49, 49}) + broadcast(bias, {8, 3, 49, 49}, {1, 2, 3})));
     },
     "reduction{"},
};

// The network compiled against the interpreter, and with several threads against one.
void check_network(const Case& test, DType dtype, double most_error) {
  CAPTURE(test.name);
  CAPTURE(name_of(dtype));
  Network network{dtype};
  test.build(network);
  std::map<std::string, Array> weights;
  std::vector<Array> inputs;
  Bindings bindings;
  for (int i = 0; i < network.graph.size(); ++i) {
    const Node& node = network.graph.node(i);
    if (!node.is(ops::input) && !node.is(ops::parameter)) continue;
    const std::string name(network.graph.leaf_name({i, 0}));
    const Array array = ramp(node.types[0], i);
    bindings[name] = ReferenceTensor::from(array);
    if (node.is(ops::input))
      inputs.push_back(array);
    else
      weights[name] = array;
  }
  const ProgramEntry entry{"main", network.graph};
  CompiledProgram compiled = compile_graphs("tokens", {&entry, 1}, weights, {});
  CHECK(std::any_of(compiled.kernels.begin(), compiled.kernels.end(), [&](const auto& kernel) {
    return kernel.request.schedule.find(test.schedule) != std::string::npos;
  }));
  const auto program = LoadedProgram::in_memory(on_all_threads(compiled.program));
  ProgramInstance one = program->instance(1), two = program->instance(2),
                  five = program->instance(5);
  const Array first = one.run(0, inputs)[0];
  CHECK(relative_error(first, interpret(network.graph, bindings)[0]) <= most_error);
  for (int run = 0; run < 5; ++run) {
    CHECK(two.run(0, inputs)[0] == first);
    CHECK(five.run(0, inputs)[0] == first);
  }
}

}  // namespace

TEST_CASE("products and norms equal the interpreter, with any number of threads") {
  for (const Case& test : kCases) check_network(test, DType::f32, 1e-5);
}

TEST_CASE("products and norms in other float types") {
  for (const Case& test : kCases) {
    if (!test.other_types) continue;
    check_network(test, DType::f64, 1e-12);
    check_network(test, DType::f16, 4e-3);
    check_network(test, DType::bf16, 3e-2);
  }
}
