// The graph: a straight-line program that only grows.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ir/attributes.h"
#include "ir/location.h"
#include "ir/op_def.h"

namespace ag {

class BuildContext;

// One result of one node.
struct Value {
  int node = -1;
  int result = 0;
  bool valid() const { return node >= 0; }
  auto operator<=>(const Value&) const = default;
};

struct Node {
  const OpDef* op = nullptr;
  std::vector<Value> operands;
  Attributes attributes;
  std::vector<TensorType> types;  // of the results
  Location location;

  bool is(const OpDef& other) const { return op == &other; }
};

// A named result of the graph. One with `updates` is the new value of that parameter or state.
struct Output {
  std::string name;
  Value value;
  bool updates = false;
};

// Nodes are appended and never changed or removed; operands come before users. A pass reads one
// graph and builds another.
class Graph {
 public:
  explicit Graph(std::string name = "main") : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  // Appends a node and returns its index. Completes the attributes, checks arity, runs the shape
  // rule. Throws CompileError with location, excerpt and where the operands come from.
  int append(const OpDef& op, std::vector<Value> operands, Attributes attributes,
             Location location);
  // The same, for a node with one result.
  Value add(const OpDef& op, std::vector<Value> operands, Attributes attributes,
            Location location) {
    return {append(op, std::move(operands), std::move(attributes), std::move(location)), 0};
  }

  // A named leaf (input, parameter or state); names are unique among all three.
  Value add_leaf(const OpDef& op, std::string name, TensorType type, Location location);
  Value find_leaf(std::string_view name) const;  // invalid when there is none
  const std::string& leaf_name(Value value) const { return node(value).attributes.string("name"); }
  bool is_leaf(Value value, const OpDef& op) const { return node(value).op == &op; }

  void add_output(std::string name, Value value);
  // `value` is the new value of the parameter or state called `leaf`.
  void add_update(std::string leaf, Value value);
  const std::vector<Output>& outputs() const { return outputs_; }
  Value output(std::string_view name) const;  // CompileError when there is none

  int size() const { return static_cast<int>(nodes_.size()); }
  const Node& node(int index) const { return nodes_[index]; }
  const Node& node(Value value) const { return nodes_[value.node]; }
  const TensorType& type(Value value) const { return nodes_[value.node].types[value.result]; }
  std::vector<TensorType> operand_types(const Node& node) const;
  // The leaves of one kind, in order of creation.
  std::vector<Value> leaves(const OpDef& op) const;

  // Where new nodes come from. Layer functions and passes set a location that holds for all nodes
  // built meanwhile; the outermost one wins. Scopes name layers: "layer1" / "0" / "conv2".
  Location locate(const std::source_location& where) const;
  const std::string& scope() const { return scope_; }

  // What the front end's layer functions know while they build this graph; null otherwise.
  BuildContext* build_context() const { return build_context_; }
  void set_build_context(BuildContext* context) { build_context_ = context; }

 private:
  friend class ScopeGuard;
  friend class LocationGuard;

  void check_free(const std::string& name, bool updates) const;

  std::string name_;
  std::deque<Node> nodes_;
  std::vector<Output> outputs_;
  std::vector<Value> named_leaves_;
  std::optional<Location> location_;
  std::string scope_;
  BuildContext* build_context_ = nullptr;
};

// Enters a named scope until destroyed. An empty name changes nothing.
class ScopeGuard {
 public:
  ScopeGuard(Graph& graph, std::string_view name);
  ~ScopeGuard() { graph_.scope_ = std::move(outer_); }
  ScopeGuard(const ScopeGuard&) = delete;

 private:
  Graph& graph_;
  std::string outer_;
};

// Gives all nodes built until its end one location, unless an outer guard already does.
class LocationGuard {
 public:
  LocationGuard(Graph& graph, const Location& location);
  LocationGuard(Graph& graph, const std::source_location& where)
      : LocationGuard(graph, graph.locate(where)) {}
  ~LocationGuard() {
    if (owner_) graph_.location_.reset();
  }
  LocationGuard(const LocationGuard&) = delete;

 private:
  Graph& graph_;
  bool owner_;
};

}  // namespace ag
