// Values of linear layers stay matrices: their reshapes to [batch, tokens, features] move behind
// what is computed element by element or row by row, so that bias, activation, residual additions
// and norms are over the shape of the product and can join its kernel.

#include <algorithm>

#include "ir/ops/leaf.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "passes/rules/rules.h"

namespace ag {
namespace {

using namespace pattern;

int64_t count_before_last(const Shape& shape) {
  return element_count({shape.begin(), shape.end() - 1});
}

// Whether `rows` is `shape` with all axes in one, or with all but the last in one.
bool is_rows_of(const Shape& rows, const Shape& shape) {
  if (rows.size() >= shape.size()) return false;
  if (rows.size() == 1) return rows[0] == element_count(shape);
  return rows.size() == 2 && rows[1] == shape.back() && rows[0] == count_before_last(shape);
}

// What a reshape to more axes makes of its operand, where that has the form of rows.
Tensor rows_behind(Tensor tensor) {
  const Node& node = tensor.graph().node(tensor.value());
  if (!node.is(ops::reshape)) return {};
  Tensor source(tensor.graph(), node.operands[0]);
  return is_rows_of(source.shape(), tensor.shape()) ? source : Tensor();
}

Tensor in_shape(Tensor tensor, const Shape& rows) {
  if (std::optional<double> number = number_of(tensor)) {
    return full(tensor.graph(), tensor.type().with_shape(rows), *number);
  }
  return reshape(tensor, rows);
}

// Whether all operands are numbers or reshapes of one axis: a matrix of one row is none.
bool all_become_rows(const Node& node, Graph& graph, const Shape& rows) {
  return std::all_of(node.operands.begin(), node.operands.end(), [&](Value operand) {
    Tensor tensor(graph, operand);
    Tensor source = rows_behind(tensor);
    return number_of(tensor) || (source.valid() && source.shape() == rows);
  });
}

// add(reshape(a), b) → reshape(add(a, reshape(b)))
Tensor pointwise_of_rows(const Match& m) {
  const Node& node = m.node();
  if (!node.op->pointwise || node.op->declared_type()) return {};
  Graph& graph = m.root.graph();
  Tensor source;
  for (Value operand : node.operands) {
    if (!source.valid()) source = rows_behind({graph, operand});
  }
  if (!source.valid()) return {};
  const Shape rows = source.shape();
  if (rows.size() == 1 && !all_become_rows(node, graph, rows)) return {};
  const Attributes attributes = node.attributes;
  const OpDef& record = *node.op;
  std::vector<Tensor> operands;
  for (Value operand : std::vector<Value>(node.operands)) {
    operands.push_back(in_shape({graph, operand}, rows));
  }
  Tensor result = apply_all(record, operands, attributes, std::source_location())[0];
  return reshape(result, m.root.shape());
}

// A sum or an extremum along the last axis, or along all before it.
Tensor reduction_of_rows(const Match& m) {
  Tensor source = rows_behind(m[inner]);
  const int last = m[inner].rank() - 1;
  const Integers& axes = m.node().attributes.integers("axes");
  if (!source.valid() || source.rank() != 2) return {};
  const bool along_rows = axes == Integers{last};
  const bool along_columns = static_cast<int>(axes.size()) == last && axes.back() == last - 1;
  if (!along_rows && !along_columns) return {};
  Tensor reduced = apply(*m.node().op, {source}, {{"axes", Integers{along_rows ? 1 : 0}}},
                         std::source_location());
  return reshape(reduced, m.root.shape());
}

// A value per row, or the same row everywhere, is repeated in the shape of the rows at once.
Tensor rows_of_broadcast(const Match& m) {
  const Shape &rows = m.root.shape(), &repeated = m[inner].shape(), &from = m[x].shape();
  const Integers axes = m.node(inner).attributes.integers("axes");
  const bool in_order = std::is_sorted(axes.begin(), axes.end());
  if (rows.size() != 2 || !is_rows_of(rows, repeated) || !in_order) return {};
  const int64_t last = static_cast<int64_t>(repeated.size()) - 1;
  int64_t leading = 1, width = 1;
  for (size_t i = 0; i < axes.size(); ++i) (axes[i] == last ? width : leading) *= from[i];
  Shape kept;
  Integers kept_axes;
  if (leading == rows[0] && leading != 1) {
    kept.push_back(leading);
    kept_axes.push_back(0);
  } else if (leading != 1) {
    return {};
  }
  if (width != 1) {
    kept.push_back(width);
    kept_axes.push_back(1);
  }
  return broadcast(reshape(m[x], kept), rows, kept_axes);
}

}  // namespace

std::vector<Rule> row_rules() {
  return {
      {"pointwise-of-rows", x, pointwise_of_rows},
      {"sum-of-rows", op(ops::reduce_sum, op(ops::reshape, x).as(inner)), reduction_of_rows},
      {"max-of-rows", op(ops::reduce_max, op(ops::reshape, x).as(inner)), reduction_of_rows},
      {"min-of-rows", op(ops::reduce_min, op(ops::reshape, x).as(inner)), reduction_of_rows},
      {"rows-of-broadcast", op(ops::reshape, op(ops::broadcast, x).as(inner)), rows_of_broadcast},
  };
}

}  // namespace ag
