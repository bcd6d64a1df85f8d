#include "frontend/analysis.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pool.h"
#include "ir/ops/view.h"
#include "ir/ops/window.h"

namespace ag {
namespace {

// ---- receptive fields ----

// Of one value, per spatial axis: how many input elements it sees and how far apart its neighbours'
// windows are. `whole`: everything, in every axis.
struct Field {
  bool whole = false;
  std::vector<double> size, jump;
};
// Nothing: the value does not depend on the input.
using OptionalField = std::optional<Field>;

void widen(Field& field, size_t axis, int64_t taps, int64_t dilation, int64_t stride,
           int64_t holes) {
  field.jump[axis] /= static_cast<double>(holes);
  field.size[axis] += static_cast<double>((taps - 1) * dilation) * field.jump[axis];
  field.jump[axis] *= static_cast<double>(stride);
}

void conv_field(const Node& node, std::span<const TensorType> operands, Field& field) {
  ConvSpec spec = ConvSpec::of(node);
  for (size_t i = 0; i < field.size.size(); ++i) {
    widen(field, i, operands[1].shape[i + 2], spec.rhs_dilation[i], spec.stride[i],
          spec.lhs_dilation[i]);
  }
}

void window_field(const Node& node, std::span<const TensorType>, Field& field) {
  WindowSpec spec = WindowSpec::of(node);
  for (size_t i = 0; i < field.size.size(); ++i)
    widen(field, i, spec.window[i], spec.dilation[i], spec.stride[i], 1);
}

void slice_field(const Node& node, std::span<const TensorType> operands, Field& field) {
  Integers stride = node.attributes.integers("stride", operands[0].shape.size(), 1);
  for (size_t i = 0; i < field.size.size(); ++i) widen(field, i, 1, 1, stride[i + 2], 1);
}

void same_field(const Node&, std::span<const TensorType>, Field&) {}

struct FieldRule {
  const OpDef* op;
  void (*apply)(const Node&, std::span<const TensorType> operands, Field&);
};
const FieldRule kFieldRules[] = {
    {&ops::avg_pool, window_field}, {&ops::conv, conv_field},   {&ops::max_pool, window_field},
    {&ops::sum_pool, window_field}, {&ops::slice, slice_field}, {&ops::pad, same_field},
    {&ops::concat, same_field},
};

// The union of what all operands see; strides are those of the one that sees most.
OptionalField seen_by_operands(const Node& node, const std::vector<OptionalField>& fields) {
  OptionalField seen;
  for (Value operand : node.operands) {
    const OptionalField& other = fields[operand.node];
    if (!other) continue;
    if (!seen) seen = other;
    seen->whole = seen->whole || other->whole || seen->size.size() != other->size.size();
    if (seen->whole) continue;
    for (size_t i = 0; i < seen->size.size(); ++i) {
      seen->size[i] = std::max(seen->size[i], other->size[i]);
      seen->jump[i] = std::max(seen->jump[i], other->jump[i]);
    }
  }
  return seen;
}

OptionalField field_of(const Graph& graph, const Node& node,
                       const std::vector<OptionalField>& fields) {
  if (node.is(ops::input)) {
    size_t axes = std::max(0, node.types[0].rank() - 2);
    return Field{axes == 0, std::vector<double>(axes, 1), std::vector<double>(axes, 1)};
  }
  OptionalField field = seen_by_operands(node, fields);
  if (!field || field->whole) return field;
  std::vector<TensorType> operands = graph.operand_types(node);
  for (const FieldRule& rule : kFieldRules) {
    if (rule.op != node.op) continue;
    rule.apply(node, operands, *field);
    return field;
  }
  const Shape &from = operands[0].shape, &to = node.types[0].shape;
  bool keeps_places = from.size() == to.size() && from.size() > 2 &&
                      std::equal(from.begin() + 2, from.end(), to.begin() + 2);
  field->whole = !keeps_places;
  return field;
}

Integers extents_of(const OptionalField& field) {
  Integers extents;
  if (!field || field->whole) return extents;
  for (double size : field->size) extents.push_back(static_cast<int64_t>(std::ceil(size)));
  return extents;
}

// ---- rows ----

int64_t macs_of(const Graph& graph, const Node& node) {
  if (!node.is(ops::conv) && !node.is(ops::matmul)) return 0;
  return node.op->flops(node, graph.operand_types(node)) / 2;
}

// "conv1" of "conv1.weight".
std::string layer_name(std::string_view leaf) {
  size_t dot = leaf.rfind('.');
  return std::string(dot == std::string_view::npos ? leaf : leaf.substr(0, dot));
}

// For every node, the layer of the parameters it uses, directly or through values made of
// parameters alone; empty where there are none.
std::vector<std::string> layers_of(const Graph& graph, const std::vector<OptionalField>& fields) {
  std::vector<std::string> layers(graph.size());
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.is(ops::parameter) || node.is(ops::state))
      layers[i] = layer_name(node.attributes.string("name"));
    for (Value operand : node.operands) {
      if (!fields[operand.node] && !layers[operand.node].empty()) layers[i] = layers[operand.node];
    }
  }
  return layers;
}

void add_row(const Node& node, const std::string& layer, std::vector<LayerRow>& rows) {
  if (layer.empty() || rows.empty() || rows.back().name != layer)
    rows.push_back({layer, std::string(node.op->name)});
  rows.back().output = node.types[0];
}

}  // namespace

Analysis analyse(const Graph& graph) {
  std::vector<OptionalField> fields;
  for (int i = 0; i < graph.size(); ++i) fields.push_back(field_of(graph, graph.node(i), fields));
  std::vector<std::string> layers = layers_of(graph, fields);

  Analysis analysis{.name = graph.name()};
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.is(ops::input) || !fields[i]) continue;
    add_row(node, layers[i], analysis.layers);
    LayerRow& row = analysis.layers.back();
    row.macs += macs_of(graph, node);
    row.receptive_field = extents_of(fields[i]);
  }
  std::map<std::string, int64_t> parameters;
  for (Value leaf : graph.leaves(ops::parameter))
    parameters[layer_name(graph.leaf_name(leaf))] += graph.type(leaf).count();
  for (LayerRow& row : analysis.layers) {
    auto found = parameters.find(row.name);
    if (found != parameters.end()) row.parameters = std::exchange(found->second, 0);
    analysis.macs += row.macs;
  }
  for (Value leaf : graph.leaves(ops::parameter)) analysis.parameters += graph.type(leaf).count();
  return analysis;
}

}  // namespace ag
