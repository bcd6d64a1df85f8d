#include "ir/graph.h"

#include <fmt/format.h>

#include "ir/infer.h"
#include "ir/internal_error.h"
#include "ir/ops/leaf.h"
#include "ir/print.h"

namespace ag {
namespace {

void check_arity(const OpDef& op, size_t count) {
  size_t min = static_cast<size_t>(op.arity.min), max = static_cast<size_t>(op.arity.max);
  if (count >= min && count <= max) return;
  std::string wanted = min == max                   ? fmt::format("{}", min)
                       : op.arity.max == kAnyNumber ? fmt::format("at least {}", min)
                                                    : fmt::format("{} to {}", min, max);
  throw CompileError(fmt::format("{}: takes {} operands, got {}", op.name, wanted, count));
}

void check_sizes(const OpDef& op, const Node& node) {
  for (const TensorType& type : node.types) {
    std::string problem = size_problem(type);
    if (problem.empty()) continue;
    throw CompileError(fmt::format("{}: {}", op.name, problem))
        .help("use a smaller batch or image, or check the shapes");
  }
}

// Adds what the graph knows to an error of a shape rule.
CompileError explained(CompileError error, const Graph& graph, const Node& node) {
  error.at(node.location).excerpt(print_application(graph, node));
  for (Value operand : node.operands) {
    const Node& source = graph.node(operand);
    if (source.op->kind == OpKind::leaf || !source.location.known()) continue;
    error.note(source.location,
               fmt::format("{} comes from {} here", print_name(graph, operand), source.op->name));
  }
  return error;
}

}  // namespace

int Graph::append(const OpDef& op, std::vector<Value> operands, Attributes attributes,
                  Location location) {
  Node node{&op, std::move(operands), std::move(attributes), {}, std::move(location)};
  for (Value operand : node.operands) {
    if (operand.node < 0 || operand.node >= size())
      internal_error("{}: operand is not in this graph", op.name);
  }
  try {
    check_arity(op, node.operands.size());
    node.attributes = complete_attributes(op.name, op.attributes, std::move(node.attributes));
    std::vector<TensorType> types = operand_types(node);
    node.types = op.infer(InferContext{op, types, node.attributes});
    check_sizes(op, node);
  } catch (CompileError& error) {
    throw explained(std::move(error), *this, node);
  }
  nodes_.push_back(std::move(node));
  return size() - 1;
}

Value Graph::add_leaf(const OpDef& op, std::string name, TensorType type, Location location) {
  if (find_leaf(name).valid()) {
    throw CompileError(fmt::format("{}: the name '{}' is taken", op.name, name))
        .at(location)
        .note(node(find_leaf(name)).location, "first made here")
        .help("give the layer another name, or open a scope around it");
  }
  Value leaf =
      add(op, {}, {{"name", std::move(name)}, {"type", std::move(type)}}, std::move(location));
  named_leaves_.push_back(leaf);
  return leaf;
}

Value Graph::find_leaf(std::string_view name) const {
  for (Value leaf : named_leaves_) {
    if (leaf_name(leaf) == name) return leaf;
  }
  return {};
}

void Graph::add_output(std::string name, Value value) {
  check_free(name, false);
  outputs_.push_back({std::move(name), value, false});
}

void Graph::add_update(std::string leaf, Value value) {
  Value target = find_leaf(leaf);
  if (!target.valid() || is_leaf(target, ops::input)) {
    throw CompileError(
        fmt::format("update: '{}' is no parameter or state of graph @{}", leaf, name_));
  }
  if (type(target) != type(value)) {
    throw CompileError(fmt::format("update: '{}' is {}, but its new value is {}", leaf,
                                   to_string(type(target)), to_string(type(value))));
  }
  check_free(leaf, true);
  outputs_.push_back({std::move(leaf), value, true});
}

void Graph::check_free(const std::string& name, bool updates) const {
  for (const Output& output : outputs_) {
    if (output.name != name || output.updates != updates) continue;
    throw CompileError(
        updates ? fmt::format("update: '{}' has two new values in graph @{}", name, name_)
                : fmt::format("graph @{} has two outputs '{}'", name_, name))
        .help("give each output a name of its own");
  }
}

Value Graph::output(std::string_view name) const {
  for (const Output& output : outputs_) {
    if (output.name == name) return output.value;
  }
  std::string known;
  for (const Output& output : outputs_) known += (known.empty() ? "" : ", ") + output.name;
  throw CompileError(fmt::format("graph @{} has no output '{}'", name_, name))
      .help("outputs: " + known);
}

std::vector<TensorType> Graph::operand_types(const Node& node) const {
  std::vector<TensorType> types;
  types.reserve(node.operands.size());
  for (Value operand : node.operands) types.push_back(type(operand));
  return types;
}

std::vector<Value> Graph::leaves(const OpDef& op) const {
  std::vector<Value> found;
  for (Value leaf : named_leaves_) {
    if (node(leaf).op == &op) found.push_back(leaf);
  }
  return found;
}

Location Graph::locate(const std::source_location& where) const {
  if (!location_) return Location(where, scope_);
  Location location = *location_;
  if (!scope_.empty()) location.scope = scope_;
  return location;
}

ScopeGuard::ScopeGuard(Graph& graph, std::string_view name) : graph_(graph), outer_(graph.scope_) {
  if (name.empty()) return;
  if (!graph.scope_.empty()) graph.scope_ += '.';
  graph.scope_ += name;
}

LocationGuard::LocationGuard(Graph& graph, const Location& location)
    : graph_(graph), owner_(!graph.location_.has_value()) {
  if (owner_) graph.location_ = location;
}

}  // namespace ag
