// cse: common subexpression elimination
//
// Of nodes with the same op, operands and attributes the first stays. Every op is a pure function,
// random bits included, so this holds for all of them.
//
//   %1: f32[4] = tanh(%x)               %1: f32[4] = tanh(%x)
//   %2: f32[4] = tanh(%x)         =>    %2: f32[4] = multiply(%1, %1)
//   %3: f32[4] = multiply(%1, %2)       return y=%2
//   return y=%3
//
// Attributes compare by content; -0 and 0 differ, as do two constants with other bits.
#include <string_view>
#include <unordered_map>

#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {
namespace {

size_t mixed(size_t hash, size_t value) {
  return hash ^ (value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2));
}

size_t hash_of(const AttributeValue& value) {
  struct Visitor {
    size_t operator()(bool flag) const { return flag; }
    size_t operator()(int64_t integer) const { return std::hash<int64_t>()(integer); }
    size_t operator()(double number) const { return std::hash<double>()(number); }
    size_t operator()(const std::string& text) const { return std::hash<std::string>()(text); }
    size_t operator()(const Integers& list) const {
      size_t hash = list.size();
      for (int64_t entry : list) hash = mixed(hash, std::hash<int64_t>()(entry));
      return hash;
    }
    size_t operator()(const TensorType& type) const {
      return mixed((*this)(type.shape), static_cast<size_t>(type.dtype));
    }
    size_t operator()(const std::shared_ptr<const Array>& array) const {
      auto bytes = reinterpret_cast<const char*>(array->data());
      return std::hash<std::string_view>()({bytes, array->size_bytes()});
    }
    size_t operator()(const std::shared_ptr<const Graph>& graph) const { return graph->size(); }
  };
  return std::visit(Visitor{}, value);
}

size_t hash_of(const Node& node) {
  size_t hash = std::hash<const OpDef*>()(node.op);
  for (Value operand : node.operands) hash = mixed(mixed(hash, operand.node), operand.result);
  for (const Attribute& attribute : node.attributes.values())
    hash = mixed(hash, hash_of(attribute.value));
  return hash;
}

bool same(const Node& a, const Node& b) {
  return a.op == b.op && a.operands == b.operands && a.types == b.types &&
         a.attributes == b.attributes;
}

}  // namespace

Graph cse(const Graph& graph) {
  GraphCopy copy(graph);
  std::unordered_multimap<size_t, int> seen;  // hash of a new node -> its index
  for (int i = 0; i < graph.size(); ++i) {
    Node node = graph.node(i);
    if (node.op->kind == OpKind::leaf) {
      copy.node(i);
      continue;
    }
    for (Value& operand : node.operands) operand = copy[operand];
    size_t hash = hash_of(node);
    auto [first, last] = seen.equal_range(hash);
    while (first != last && !same(copy.graph().node(first->second), node)) ++first;
    if (first != last)
      copy.map_node(i, first->second);
    else
      seen.emplace(hash, copy.node(i));
  }
  return copy.finish();
}

}  // namespace ag
