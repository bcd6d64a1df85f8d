// Walks the table of op cases: what an op's record promises, checked for every op alike.
#include "tests/op_cases.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "frontend/weights/npz.h"
#include "ir/ops/all_ops.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "passes/autograd.h"
#include "tests/gradient_check.h"
#include "tests/reference/digest.h"

using namespace ag;

namespace {

bool contains_op(const Graph& graph, std::string_view op) {
  for (int i = 0; i < graph.size(); ++i) {
    if (graph.node(i).op->name == op) return true;
  }
  return false;
}

// Every "grad.NAME" of `gradients` against central differences of output `of` of `value`.
void check_differences(const Graph& value, const std::string& of, const Graph& gradients,
                       const Bindings& bindings) {
  std::vector<ReferenceTensor> results = interpret(gradients, bindings);
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& name = gradients.outputs()[i].name;
    if (name.rfind("grad.", 0) != 0) continue;
    CAPTURE(name);
    ReferenceTensor expected = central_difference(value, bindings, of, name.substr(5));
    CHECK(relative_difference(results[i], expected, 1e-2) < 1e-6);
  }
}

// Appends the gradients of the loss and an output slope = Σ gradient · v over all operands, v fixed
// numbers.
void add_slope(Graph& graph, const std::vector<std::string>& operands) {
  std::vector<Tensor> leaves;
  for (const std::string& name : operands) leaves.emplace_back(graph, graph.find_leaf(name));
  Tensor slope;
  for (const Tensor& gradient : gradients(Tensor(graph, graph.output("loss")), leaves)) {
    std::vector<int> axes;
    Array weights(DType::f64, gradient.shape());
    for (int64_t i = 0; i < weights.count(); ++i)
      weights.set_double(i, std::cos(0.9 * static_cast<double>(i) + 0.2));
    for (int axis = 0; axis < gradient.rank(); ++axis) axes.push_back(axis);
    Tensor term = reduce_sum(gradient * constant(graph, std::move(weights)), axes);
    slope = slope.valid() ? slope + term : term;
  }
  graph.add_output("slope", slope.value());
}

WeightMap references() {
  std::string path = ARGENT_SOURCE_DIR "/tests/reference/op_cases.npz";
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file, "missing " << path << ": run tests/reference/make_reference.py");
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  return parse_npz(std::as_bytes(std::span(bytes)), path);
}

void compare_with_reference(const ReferenceTensor& found, const Array& recorded) {
  REQUIRE(found.shape == recorded.shape());
  ReferenceTensor expected = ReferenceTensor::from(recorded);
  CHECK(relative_difference(found, expected, 1e-6) < 1e-10);
}

}  // namespace

TEST_CASE("every op has rows, and every row is for an op") {
  std::set<std::string_view> covered;
  std::set<std::string> names;
  for (const OpCase& row : op_cases()) {
    CAPTURE(row.name());
    CHECK(names.insert(row.name()).second);
    REQUIRE(find_op(row.op) != nullptr);
    for (DType dtype : row.dtypes) CHECK(contains_op(build_case(row, dtype).graph, row.op));
    covered.insert(row.op);
  }
  for (const OpDef* op : all_ops()) {
    if (op->kind != OpKind::kernel) CHECK_MESSAGE(covered.count(op->name), op->name);
  }
}

TEST_CASE("rows run through the interpreter in every dtype, with the types they declare") {
  for (const OpCase& row : op_cases()) {
    for (DType dtype : row.dtypes) {
      BuiltCase built = build_case(row, dtype);
      CAPTURE(print(built.graph));
      std::vector<ReferenceTensor> results = interpret(built.graph, built.bindings);
      REQUIRE(!results.empty());
      for (size_t i = 0; i < results.size(); ++i) {
        const TensorType& type = built.graph.type(built.graph.outputs()[i].value);
        CHECK(results[i].dtype == type.dtype);
        CHECK(results[i].shape == type.shape);
        for (double value : results[i].floats) CHECK(std::isfinite(value));
      }
    }
  }
}

TEST_CASE("rows and their gradients survive a round trip through text") {
  for (const OpCase& row : op_cases()) {
    for (DType dtype : row.dtypes) {
      for (const Graph& graph :
           {build_case(row, dtype).graph, build_gradient_case(row, dtype).graph}) {
        std::string text = print(graph);
        CHECK(print(parse(text)) == text);
      }
    }
  }
}

TEST_CASE("gradients equal central differences") {
  for (const OpCase& row : op_cases()) {
    if (!row.differences) continue;
    CAPTURE(row.name());
    BuiltCase value = build_loss_case(row, row.reference_dtype());
    BuiltCase gradients = build_gradient_case(row, row.reference_dtype());
    check_differences(value.graph, "loss", gradients.graph, value.bindings);
  }
}

TEST_CASE("gradients of gradients equal central differences") {
  for (const OpCase& row : op_cases()) {
    BuiltCase built = build_loss_case(row, row.reference_dtype());
    std::vector<std::string> operands = differentiable_operands(built);
    if (!row.differences || operands.empty()) continue;
    CAPTURE(row.name());
    add_slope(built.graph, operands);
    Graph second = grad(built.graph, {.of = "slope", .with_respect_to = operands});
    check_differences(built.graph, "slope", second, built.bindings);
  }
}

TEST_CASE("values and gradients equal PyTorch's") {
  WeightMap recorded = references();
  std::set<std::string> used;
  auto take = [&](const std::string& key) -> const Array& {
    REQUIRE_MESSAGE(recorded.count(key),
                    key << " is not recorded: run tests/reference/make_reference.py");
    used.insert(key);
    return recorded.at(key);
  };
  for (const OpCase& row : op_cases()) {
    CAPTURE(row.name());
    BuiltCase plain = build_case(row, row.reference_dtype());
    REQUIRE_MESSAGE(take(row.name() + ":digest").get_int(0) == digest(plain),
                    "the row has changed: run tests/reference/make_reference.py");
    BuiltCase built = build_gradient_case(row, row.reference_dtype());
    std::vector<ReferenceTensor> results = interpret(built.graph, built.bindings);
    for (size_t i = 0; i < results.size(); ++i) {
      const std::string& output = built.graph.outputs()[i].name;
      if (output == "loss") continue;
      CAPTURE(output);
      compare_with_reference(results[i], take(row.name() + ":" + output));
    }
  }
  for (const auto& [key, array] : recorded)
    CHECK_MESSAGE(used.count(key), key << " belongs to no row: run make_reference.py again");
}
