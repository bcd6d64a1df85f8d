// Whatever dtypes an op's record accepts, some row of the table compiles.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "ir/graph.h"
#include "ir/infer.h"
#include "ir/ops/all_ops.h"
#include "tests/op_cases.h"

using namespace ag;

namespace {

// The dtypes of a node's operands (of an op that takes any number: each once), then of the result
// that it declares: what a shape rule decides by.
using Signature = std::vector<DType>;

std::string to_string(const Signature& signature) {
  std::string text;
  for (DType dtype : signature) text += (text.empty() ? "" : ", ") + std::string(name_of(dtype));
  return text;
}

const TensorType* declared(const Node& node) {
  const AttributeSpec* spec = node.op->declared_type();
  return spec ? &node.attributes.type(spec->name) : nullptr;
}

Signature signature_of(const OpDef& op, const std::vector<TensorType>& operands,
                       const TensorType* declared) {
  Signature signature;
  for (const TensorType& type : operands) signature.push_back(type.dtype);
  if (op.arity.max == kAnyNumber)
    signature.erase(std::unique(signature.begin(), signature.end()), signature.end());
  if (declared) signature.push_back(declared->dtype);
  return signature;
}

Signature signature_of(const Graph& graph, const Node& node) {
  return signature_of(*node.op, graph.operand_types(node), declared(node));
}

// The first node of the op in a graph.
const Node* find_node(const Graph& graph, const OpDef& op) {
  for (int i = 0; i < graph.size(); ++i) {
    if (graph.node(i).is(op)) return &graph.node(i);
  }
  return nullptr;
}

// Signatures of an op's nodes in all rows, in all dtypes they are compiled in.
std::set<Signature> compiled_signatures(const OpDef& op) {
  std::set<Signature> signatures;
  for (const OpCase& row : op_cases()) {
    if (row.op != op.name) continue;
    for (DType dtype : row.dtypes) {
      const BuiltCase built = build_case(row, dtype);
      for (int i = 0; i < built.graph.size(); ++i) {
        const Node& node = built.graph.node(i);
        if (node.is(op)) signatures.insert(signature_of(built.graph, node));
      }
    }
  }
  return signatures;
}

// The node's signature when every `from` in it becomes `to`; empty when the record refuses that.
Signature accepted(const Graph& graph, const Node& node, DType from, DType to) {
  std::vector<TensorType> operands = graph.operand_types(node);
  for (TensorType& type : operands) {
    if (type.dtype == from) type = type.with_dtype(to);
  }
  Attributes attributes = node.attributes;
  if (const TensorType* type = declared(node); type && type->dtype == from) {
    attributes.set(node.op->declared_type()->name, type->with_dtype(to));
  }
  try {
    node.op->infer({*node.op, operands, attributes});
  } catch (const CompileError&) {
    return {};
  }
  const AttributeSpec* spec = node.op->declared_type();
  return signature_of(*node.op, operands, spec ? &attributes.type(spec->name) : nullptr);
}

}  // namespace

TEST_CASE("every dtype that an op accepts has a row that compiles it") {
  std::set<std::string> seen;  // from the first row of an op, one dtype at a time
  for (const OpCase& row : op_cases()) {
    if (!seen.insert(row.op).second) continue;
    const OpDef& op = *find_op(row.op);
    const BuiltCase built = build_case(row, row.dtypes[0]);
    REQUIRE_MESSAGE(find_node(built.graph, op), row.name());
    const Node& node = *find_node(built.graph, op);
    const Signature own = signature_of(built.graph, node);
    const std::set<Signature> compiled = compiled_signatures(op);
    for (DType from : std::set<DType>(own.begin(), own.end())) {
      for (int to = 0; to < kDTypeCount; ++to) {
        const Signature wanted = accepted(built.graph, node, from, static_cast<DType>(to));
        CHECK_MESSAGE((wanted.empty() || compiled.count(wanted)),
                      op.name << " accepts (" << to_string(wanted) << "), but no row compiles it");
      }
    }
  }
}
