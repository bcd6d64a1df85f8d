// Writing the kernels: the last step of fusion.

#include <algorithm>
#include <map>

#include "ir/internal_error.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/view.h"
#include "passes/fusion_groups.h"

namespace ag {
namespace {

// The class of a kernel without an anchor: "concat" or "slice" for bodies that are just that.
std::string_view sweep_class(const Graph& body) {
  const Node& last = body.node(body.size() - 1);
  const bool alone = body.outputs().size() == 1 && body.outputs()[0].value.node + 1 == body.size();
  for (int i = 0; i + 1 < body.size(); ++i) {
    if (body.node(i).op->kind != OpKind::leaf) return "pointwise";
  }
  if (alone && last.is(ops::concat)) return "concat";
  return alone && is_view_slice(body, body.size() - 1) ? "slice" : "pointwise";
}

class KernelBuilder {
 public:
  KernelBuilder(const Graph& graph, const FusionGroups& groups)
      : graph_(graph), groups_(groups), out_(graph.name()) {
    kernel_of_.assign(graph.size(), -1);
    for (size_t k = 0; k < groups.kernels.size(); ++k) {
      for (int root : groups.kernels[k]) kernel_of_[root] = static_cast<int>(k);
    }
    done_.assign(groups.kernels.size(), false);
  }

  Graph run() {
    for (int i = 0; i < graph_.size(); ++i) {
      if (graph_.node(i).op->kind == OpKind::leaf) copy_leaf(i);
    }
    for (size_t k = 0; k < groups_.kernels.size(); ++k) emit(k);
    for (const Output& output : graph_.outputs()) {
      if (output.updates)
        out_.add_update(output.name, values_.at(output.value));
      else
        out_.add_output(output.name, values_.at(output.value));
    }
    return std::move(out_);
  }

 private:
  // A kernel's body while it is written: values of the graph by their place in the body.
  struct Body {
    Graph graph{"body"};
    std::map<Value, Value> values;
    std::vector<Value> operands;  // of the kernel, in the outer graph
  };

  void copy_leaf(int i) {
    const Node& node = graph_.node(i);
    Value value{i, 0};
    values_[value] = out_.add_leaf(*node.op, graph_.leaf_name(value), node.types[0], node.location);
  }

  bool is_stored(Value value) const {
    return groups_.is_root(value.node) || graph_.node(value).op->kind == OpKind::leaf;
  }

  // All nodes of a kernel, in order: its roots and what they compute inside.
  std::vector<int> members(size_t kernel) const {
    std::set<int> members(groups_.kernels[kernel].begin(), groups_.kernels[kernel].end());
    std::vector<int> work(members.begin(), members.end());
    while (!work.empty()) {
      int node = work.back();
      work.pop_back();
      for (Value operand : graph_.node(node).operands) {
        if (!is_stored(operand) && members.insert(operand.node).second)
          work.push_back(operand.node);
      }
    }
    return {members.begin(), members.end()};
  }

  // Emits the kernel after the kernels it reads from. Iterative: graphs are deep.
  void emit(size_t kernel) {
    std::vector<size_t> work{kernel};
    while (!work.empty()) {
      size_t current = work.back();
      size_t before = work.size();
      if (!done_[current]) {
        for (int node : members(current)) {
          for (Value operand : graph_.node(node).operands) {
            int source = groups_.is_root(operand.node) ? kernel_of_[operand.node] : -1;
            if (source >= 0 && source != static_cast<int>(current) && !done_[source])
              work.push_back(source);
          }
        }
      }
      if (work.size() > before) continue;
      work.pop_back();
      if (!done_[current]) write(current);
    }
  }

  Value body_value(Body& body, Value value, size_t kernel) {
    auto known = body.values.find(value);
    if (known != body.values.end()) return known->second;
    if (!is_stored(value) || kernel_of_[value.node] == static_cast<int>(kernel)) {
      internal_error("fuse: a kernel's body reads a value it has not computed");
    }
    std::string name = "x" + std::to_string(body.operands.size());
    TensorType logical = graph_.type(value).with_layout({});
    Value leaf = body.graph.add_leaf(ops::input, name, logical, {});
    body.operands.push_back(value);
    return body.values[value] = leaf;
  }

  void write(size_t kernel) {
    Body body;
    for (int index : members(kernel)) {
      const Node& node = graph_.node(index);
      std::vector<Value> operands;
      for (Value operand : node.operands) operands.push_back(body_value(body, operand, kernel));
      int copy = body.graph.append(*node.op, operands, node.attributes, node.location);
      for (size_t r = 0; r < node.types.size(); ++r) {
        body.values[{index, static_cast<int>(r)}] = {copy, static_cast<int>(r)};
      }
    }
    std::vector<Value> results = results_of(kernel);
    for (size_t i = 0; i < results.size(); ++i) {
      body.graph.add_output("y" + std::to_string(i), body.values.at(results[i]));
    }
    append(kernel, std::move(body), results);
  }

  void append(size_t kernel, Body body, const std::vector<Value>& results) {
    int root = groups_.kernels[kernel][0], anchor = groups_.anchor[root];
    std::string_view kernel_class =
        anchor < 0 ? sweep_class(body.graph) : kernel_class_of(*graph_.node(anchor).op);
    std::vector<Value> operands;
    for (Value operand : body.operands) operands.push_back(values_.at(operand));
    Location location = graph_.node(anchor < 0 ? root : anchor).location;
    int node = out_.append(ops::kernel, std::move(operands),
                           {{"class", std::string(kernel_class)},
                            {"body", std::make_shared<const Graph>(std::move(body.graph))}},
                           location);
    for (size_t i = 0; i < results.size(); ++i) values_[results[i]] = {node, static_cast<int>(i)};
    done_[kernel] = true;
  }

  // The values of a kernel that others read: every result of its roots that has a use.
  std::vector<Value> results_of(size_t kernel) const {
    std::vector<Value> results;
    for (int root : groups_.kernels[kernel]) {
      for (size_t r = 0; r < graph_.node(root).types.size(); ++r) {
        Value value{root, static_cast<int>(r)};
        if (is_used(value)) results.push_back(value);
      }
    }
    return results;
  }

  bool is_used(Value value) const {
    const auto& outputs = graph_.outputs();
    if (std::any_of(outputs.begin(), outputs.end(),
                    [&](const Output& o) { return o.value == value; }))
      return true;
    for (int i = value.node + 1; i < graph_.size(); ++i) {
      const auto& operands = graph_.node(i).operands;
      if (!groups_.roots[i].empty() &&
          std::find(operands.begin(), operands.end(), value) != operands.end())
        return true;
    }
    return false;
  }

  const Graph& graph_;
  const FusionGroups& groups_;
  Graph out_;
  std::vector<int> kernel_of_;
  std::vector<bool> done_;
  std::map<Value, Value> values_;
};

}  // namespace

Graph build_kernels(const Graph& graph, const FusionGroups& groups) {
  return KernelBuilder(graph, groups).run();
}

}  // namespace ag
