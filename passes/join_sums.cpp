// join_sums: a mean over an image is computed by the kernel that stores the image. The contract
// stands in the header.
//
// What: finds kernels that sum one operand over all its positions and do what is elementwise with
// the sums, asks the model whether the kernel that computes the operand can do so, and appends the
// one's body to the other's.
//
// Why: the sum read an activation again that had just been stored. Now the task that stores a part
// of it sums it, from the first-level cache.
//
// Left to others: where partial sums are and how they are shared out (codegen/schedule).

#include "passes/join_sums.h"

#include <algorithm>
#include <functional>
#include <map>

#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "passes/copy.h"

namespace ag {
namespace {

const Graph& body_of(const Node& kernel) { return kernel.attributes.graph("body"); }

bool is_class(const Node& node, std::string_view name) {
  return node.is(ops::kernel) && node.attributes.string("class") == name;
}

// A kernel's body under construction, and its operands in the outer graph that is joined.
struct JoinedBody {
  Graph graph{"body"};
  std::vector<Value> operands;

  Value leaf(const TensorType& type, Value operand) {
    const std::string name = "x" + std::to_string(operands.size());
    operands.push_back(operand);
    return graph.add_leaf(ops::input, name, type, {});
  }
};

// The nodes of a kernel's body behind those of `to`; `place` gives the value in `to` of leaf i.
// Returns the values of its outputs.
std::vector<Value> append(JoinedBody& to, const Graph& from,
                          const std::function<Value(size_t leaf)>& place) {
  std::vector<Value> values(from.size());
  const std::vector<Value> leaves = body_leaves(from);
  for (int i = 0; i < from.size(); ++i) {
    const auto leaf = std::find(leaves.begin(), leaves.end(), Value{i, 0});
    if (leaf != leaves.end()) {
      values[i] = place(static_cast<size_t>(leaf - leaves.begin()));
      continue;
    }
    const Node& node = from.node(i);
    std::vector<Value> operands;
    for (Value operand : node.operands)
      operands.push_back({values[operand.node].node, operand.result});
    values[i] = {to.graph.append(*node.op, std::move(operands), node.attributes, node.location), 0};
  }
  std::vector<Value> outputs;
  for (const Output& output : from.outputs())
    outputs.push_back({values[output.value.node].node, output.value.result});
  return outputs;
}

// The body of a kernel with leaves of its own.
std::vector<Value> append_kernel(JoinedBody& to, const Node& kernel) {
  const Graph& body = body_of(kernel);
  const std::vector<Value> leaves = body_leaves(body);
  return append(to, body, [&](size_t leaf) {
    return to.leaf(body.type(leaves[leaf]), kernel.operands[leaf]);
  });
}

// What may be done with sums: nothing that sums again.
bool keeps_elements(const Node& node) {
  return node.op->pointwise || node.op->kind == OpKind::leaf || node.is(ops::full) ||
         node.is(ops::broadcast) || node.is(ops::reshape);
}

// Whether a body reads its only leaf, an image, in one sum over all positions and nowhere else.
bool sums_positions(const Graph& body) {
  const std::vector<Value> leaves = body_leaves(body);
  if (leaves.size() != 1 || body.outputs().size() != 1) return false;
  Integers positions;
  for (int axis = 2; axis < body.type(leaves[0]).rank(); ++axis) positions.push_back(axis);
  int sums = 0;
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    const bool reads_image =
        std::find(node.operands.begin(), node.operands.end(), leaves[0]) != node.operands.end();
    const bool sum = node.is(ops::reduce_sum) && node.attributes.integers("axes") == positions;
    if (reads_image != sum || (!sum && !keeps_elements(node))) return false;
    sums += sum;
  }
  return sums == 1 && !positions.empty();
}

// Kernels to join: by the first, the second.
using Pairs = std::map<int, int>;

Pairs find_sums(const Graph& graph, const SumModel& model) {
  Pairs pairs;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!is_class(node, "reduction") || !sums_positions(body_of(node))) continue;
    const Value operand = node.operands[0];
    const Node& source = graph.node(operand);
    if (!source.is(ops::kernel) || source.types.size() != 1) continue;
    if (model.sums_result(body_of(source), source.attributes.string("class")))
      pairs.emplace(operand.node, i);
  }
  return pairs;
}

// Appends the kernel and returns its index.
int append_joined(GraphCopy& copy, const Node& like, JoinedBody body) {
  std::vector<Value> operands;
  for (Value operand : body.operands) operands.push_back(copy[operand]);
  Attributes attributes = like.attributes;
  attributes.set("body", std::make_shared<const Graph>(std::move(body.graph)));
  return copy.graph().append(ops::kernel, std::move(operands), std::move(attributes),
                             like.location);
}

JoinedBody with_sum(const Node& image, const Node& sum) {
  JoinedBody body;
  const Value stored = append_kernel(body, image)[0];
  const Value total = append(body, body_of(sum), [&](size_t) { return stored; })[0];
  body.graph.add_output("y0", stored);
  body.graph.add_output("y1", total);
  return body;
}

}  // namespace

Graph join_sums(const Graph& graph, const SumModel& model) {
  const Pairs pairs = find_sums(graph, model);
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const auto found = pairs.find(i);
    if (found == pairs.end()) {
      if (!copy.has({i, 0})) copy.node(i);
      continue;
    }
    const Node& image = graph.node(i);
    const int joined = append_joined(copy, image, with_sum(image, graph.node(found->second)));
    copy.replace({i, 0}, Value{joined, 0});
    copy.replace({found->second, 0}, Value{joined, 1});
  }
  return copy.finish();
}

}  // namespace ag
