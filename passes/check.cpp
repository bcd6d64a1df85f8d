#include "passes/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/infer.h"
#include "ir/internal_error.h"
#include "ir/ops/leaf.h"
#include "ir/philox.h"
#include "ir/print.h"

namespace ag {
namespace {

constexpr double kTolerance = 1e-5;
constexpr int64_t kMostOperations = 4'000'000'000;

void check_node(const Graph& graph, int index, std::string_view pass) {
  const Node& node = graph.node(index);
  for (Value operand : node.operands) {
    bool earlier = operand.node >= 0 && operand.node < index;
    if (!earlier || operand.result < 0 ||
        operand.result >= static_cast<int>(graph.node(operand.node).types.size())) {
      internal_error("after {}: node {} ({}) uses a value that is not before it", pass, index,
                     node.op->name);
    }
  }
  std::vector<TensorType> operands = graph.operand_types(node), types;
  try {
    types = node.op->infer(InferContext{*node.op, operands, node.attributes});
  } catch (const CompileError& error) {
    internal_error("after {}: the shape rule rejects {}: {}", pass, print_application(graph, node),
                   error.message());
  }
  if (types != node.types) {
    internal_error("after {}: {} is recorded as {}, but the shape rule gives {}", pass,
                   print_application(graph, node), to_string(node.types.at(0)),
                   to_string(types.at(0)));
  }
}

void fill(ReferenceTensor& tensor, const PhiloxKey& key, bool positive) {
  for (int64_t i = 0; i < tensor.count(); ++i) {
    uint32_t bits = philox_word(key, static_cast<uint64_t>(i));
    double uniform = philox_uniform(bits);
    if (!tensor.is_floating())
      tensor.integers[i] = bits & 1;
    else
      tensor.floats[i] = round_to(tensor.dtype, positive ? 0.5 + uniform : 3 * uniform - 1.5);
  }
}

std::string difference(const ReferenceTensor& a, const ReferenceTensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) {
    return fmt::format("is {} before and {} after", to_string(tensor_type(a.dtype, a.shape)),
                       to_string(tensor_type(b.dtype, b.shape)));
  }
  double scale = 0;
  for (double value : a.floats) {
    if (std::isfinite(value)) scale = std::max(scale, std::fabs(value));
  }
  for (int64_t i = 0; i < a.count(); ++i) {
    bool same = a.is_floating() ? a.floats[i] == b.floats[i] ||
                                      (std::isnan(a.floats[i]) && std::isnan(b.floats[i])) ||
                                      std::fabs(a.floats[i] - b.floats[i]) <= kTolerance * scale
                                : a.integers[i] == b.integers[i];
    if (!same)
      return fmt::format("has {} before and {} after in element {}", a.number(i), b.number(i), i);
  }
  return {};
}

}  // namespace

void check_invariants(const Graph& graph, std::string_view pass) {
  for (int i = 0; i < graph.size(); ++i) check_node(graph, i, pass);
  for (const Output& output : graph.outputs()) {
    if (output.value.node < 0 || output.value.node >= graph.size())
      internal_error("after {}: output '{}' is no value of the graph", pass, output.name);
    if (!output.updates) continue;
    Value leaf = graph.find_leaf(output.name);
    if (!leaf.valid() || graph.type(leaf) != graph.type(output.value))
      internal_error("after {}: update of '{}' does not fit", pass, output.name);
  }
}

Bindings sample_bindings(const Graph& graph, int seed) {
  Bindings bindings;
  for (const OpDef* kind : {&ops::input, &ops::parameter, &ops::state}) {
    for (Value leaf : graph.leaves(*kind)) {
      const std::string& name = graph.leaf_name(leaf);
      ReferenceTensor value(graph.type(leaf).dtype, graph.type(leaf).shape);
      uint64_t mixed = static_cast<uint64_t>(seed);
      for (char c : name) mixed = mixed * 1099511628211u + static_cast<unsigned char>(c);
      fill(value, philox_key(mixed), kind == &ops::state);
      bindings.emplace(name, std::move(value));
    }
  }
  return bindings;
}

std::string first_difference(const Graph& before, std::span<const ReferenceTensor> expected,
                             const Graph& after, std::span<const ReferenceTensor> found) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const Output& output = before.outputs()[i];
    std::string name = (output.updates ? "update of '" : "output '") + output.name + "'";
    auto same = [&](const Output& other) {
      return other.name == output.name && other.updates == output.updates;
    };
    auto place = std::find_if(after.outputs().begin(), after.outputs().end(), same);
    if (place == after.outputs().end()) return name + " is gone";
    std::string text = difference(expected[i], found[place - after.outputs().begin()]);
    if (!text.empty()) return name + " " + text;
  }
  return {};
}

int64_t operation_count(const Graph& graph) {
  int64_t count = 0;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.op->flops) {
      count += node.op->flops(node, graph.operand_types(node));
      continue;
    }
    for (const TensorType& type : node.types) count += type.count();
  }
  return count;
}

void check_semantics(const Graph& before, const Graph& after, std::string_view pass) {
  int64_t operations = operation_count(before) + operation_count(after);
  if (operations > kMostOperations) {
    throw CompileError(fmt::format("check-semantics: the interpreter would need {:.1e} operations,"
                                   " its limit is {:.1e}",
                                   static_cast<double>(operations),
                                   static_cast<double>(kMostOperations)))
        .help("use a smaller batch or image: the passes do the same to it");
  }
  Bindings bindings = sample_bindings(before);
  std::vector<ReferenceTensor> expected = interpret(before, bindings);
  std::vector<ReferenceTensor> found = interpret(after, bindings);
  std::string text = first_difference(before, expected, after, found);
  if (!text.empty()) internal_error("pass {} changes the meaning: {}", pass, text);
}

}  // namespace ag
