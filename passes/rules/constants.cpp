#include <algorithm>
#include <cmath>

#include "ir/interpret.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/index.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/ops/window.h"
#include "passes/rules/rules.h"

namespace ag {
namespace {

using namespace pattern;

// Results up to this many elements are computed at compile time and stored.
constexpr int64_t kMostFolded = 4096;
// Counting up is cheaper than reading, but for shapes and the like.
constexpr int64_t kMostFoldedIota = 64;

Tensor operand(const Match& m, size_t i) { return {m.root.graph(), m.node().operands[i]}; }

bool all_numbers(const Match& m) {
  for (size_t i = 0; i < m.node().operands.size(); ++i) {
    if (!number_of(operand(m, i))) return false;
  }
  return !m.node().operands.empty();
}

// The value of the node, its operands given as nodes of `graph`.
ReferenceTensor evaluated(Graph& graph, const Node& node, std::vector<Value> operands,
                          Attributes attributes) {
  Value value = graph.add(*node.op, std::move(operands), std::move(attributes), node.location);
  graph.add_output("value", value);
  return interpret(graph, {})[0];
}

// A pointwise op of numbers is a number: computed on one element.
Tensor pointwise_of_numbers(const Match& m) {
  const Node& node = m.node();
  if (!node.op->pointwise || node.is(ops::stop_gradient) || !all_numbers(m)) return {};
  Graph graph;
  std::vector<Value> operands;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    TensorType type = tensor_type(operand(m, i).dtype(), {});
    operands.push_back(full(graph, type, *number_of(operand(m, i))).value());
  }
  Attributes attributes = node.attributes;
  if (const AttributeSpec* declared = node.op->declared_type())
    attributes.set(declared->name, tensor_type(m.root.dtype(), {}));
  double value = evaluated(graph, node, std::move(operands), std::move(attributes)).number(0);
  bool exact = std::isfinite(value) && (is_float(m.root.dtype()) || std::fabs(value) < 0x1p53);
  return exact ? m.full(value) : Tensor();
}

const OpDef* const kMoves[] = {&ops::broadcast, &ops::reshape, &ops::transpose,
                               &ops::slice,     &ops::concat,  &ops::reverse};

// Moving equal elements gives equal elements.
Tensor view_of_number(const Match& m) {
  if (std::find(std::begin(kMoves), std::end(kMoves), m.node().op) == std::end(kMoves)) return {};
  if (!all_numbers(m)) return {};
  double value = *number_of(operand(m, 0));
  for (size_t i = 1; i < m.node().operands.size(); ++i) {
    if (*number_of(operand(m, i)) != value) return {};
  }
  return m.full(value);
}

Tensor pad_of_number(const Match& m) {
  return m.node().attributes.number("value") == m.number(c) ? m.full(m.number(c)) : Tensor();
}

Tensor sum_of_number(const Match& m) {
  int64_t times = 1;
  for (int64_t axis : m.node().attributes.integers("axes")) times *= m[c].shape()[axis];
  double sum = m.number(c) * static_cast<double>(times);
  return is_float(m.root.dtype()) || std::fabs(sum) < 0x1p31 ? m.full(sum) : Tensor();
}

const OpDef* const kSums[] = {&ops::reduce_sum,       &ops::conv,
                              &ops::matmul,           &ops::scatter_along_add,
                              &ops::scatter_rows_add, &ops::window_scatter};

// What has no elements adds nothing: an empty batch's gradient, a product of depth 0.
Tensor sum_of_nothing(const Match& m) {
  if (std::find(std::begin(kSums), std::end(kSums), m.node().op) == std::end(kSums)) return {};
  return operand(m, 0).type().count() == 0 ? m.full(0) : Tensor();
}

Tensor pad_of_nothing(const Match& m) {
  if (m[x].type().count() != 0) return {};
  return m.full(m.node().attributes.number("value"));
}

bool is_known(const Node& node) {
  return node.is(ops::constant) || node.is(ops::full) || node.is(ops::iota);
}

// A small result of known values.
Tensor fold(const Match& m) {
  const Graph& from = m.root.graph();
  const Node& node = m.node();
  if (node.operands.empty() || m.root.type().count() > kMostFolded || node.is(ops::stop_gradient))
    return {};
  Graph graph;
  std::vector<Value> operands;
  for (Value value : node.operands) {
    const Node& source = from.node(value);
    bool counts = source.is(ops::iota) && m.root.type().count() > kMostFoldedIota;
    if (!is_known(source) || counts || from.type(value).count() > kMostFolded) return {};
    operands.push_back(graph.add(*source.op, {}, source.attributes, source.location));
  }
  ReferenceTensor value = evaluated(graph, node, std::move(operands), node.attributes);
  Array array = value.to_array();
  return {m.root.graph(),
          m.root.graph().add(ops::constant, {},
                             {{"data", std::make_shared<const Array>(std::move(array))}},
                             node.location)};
}

// A constant of equal elements is a number.
Tensor constant_as_number(const Match& m) {
  const Array& array = m.node().attributes.array("data");
  int64_t count = array.count();
  if (count == 0 || count > kMostFolded) return {};
  double value = array.get_double(0);
  if (!is_float(array.dtype()) && std::fabs(value) >= 0x1p53) return {};
  size_t width = size_of(array.dtype());
  for (int64_t i = 1; i < count; ++i) {
    if (std::memcmp(array.data(), array.data() + i * static_cast<int64_t>(width), width) != 0)
      return {};
  }
  return m.full(value);
}

}  // namespace

std::vector<Rule> constant_rules() {
  return {
      {"constant-as-number", op(ops::constant), constant_as_number},
      {"pointwise-of-numbers", x, pointwise_of_numbers, true},
      {"view-of-number", x, view_of_number},
      {"pad-of-number", op(ops::pad, c), pad_of_number},
      {"sum-of-number", op(ops::reduce_sum, c), sum_of_number},
      {"sum-of-nothing", x, sum_of_nothing},
      {"pad-of-nothing", op(ops::pad, x), pad_of_nothing},
      {"fold", x, fold},
  };
}

}  // namespace ag
