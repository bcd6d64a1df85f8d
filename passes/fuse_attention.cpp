#include "passes/fuse_attention.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "ir/ops/contract.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "passes/copy.h"

namespace ag {
namespace {

const Graph& body_of(const Node& kernel) { return kernel.attributes.graph("body"); }

bool is_kernel(const Node& node, std::string_view kernel_class) {
  return node.is(ops::kernel) && node.attributes.string("class") == kernel_class;
}

// The one matrix product of a kernel built around it, -1 where there are several.
int product_of(const Graph& body) {
  int product = -1;
  for (int i = 0; i < body.size(); ++i) {
    if (!body.node(i).is(ops::matmul)) continue;
    if (product >= 0) return -1;
    product = i;
  }
  return product;
}

// Which of a kernel's operands is the left one of its product as it lies; -1: none.
int left_operand(const Graph& body) {
  const int product = product_of(body);
  if (product < 0 || body.node(product).attributes.flag("transpose_a")) return -1;
  const std::vector<Value> leaves = body_leaves(body);
  const Value left = body.node(product).operands[0];
  const auto leaf = std::find(leaves.begin(), leaves.end(), left);
  if (leaf == leaves.end()) return -1;
  for (int i = 0; i < body.size(); ++i) {  // nothing but the product reads it
    if (i == product) continue;
    for (Value operand : body.node(i).operands) {
      if (operand == left) return -1;
    }
  }
  return static_cast<int>(leaf - leaves.begin());
}

// Whether a node gives for each row of `shape` (its last axis) what one row of its operands
// decides.
bool keeps_rows(const Graph& body, const Node& node, const Shape& shape) {
  if (node.op->pointwise) return true;
  const Shape &from = body.type(node.operands[0]).shape, &to = node.types[0].shape;
  if (node.is(ops::reduce_sum) || node.is(ops::reduce_max) || node.is(ops::reduce_min)) {
    const Integers last{static_cast<int64_t>(shape.size()) - 1};
    return from == shape && node.attributes.integers("axes") == last;
  }
  if (node.is(ops::reshape)) {  // adds a last axis of extent 1, or removes it
    const Shape &less = from.size() < to.size() ? from : to,
                &more = from.size() < to.size() ? to : from;
    return more.size() == less.size() + 1 && more.back() == 1 &&
           std::equal(less.begin(), less.end(), more.begin());
  }
  Integers axes(from.size());
  std::iota(axes.begin(), axes.end(), 0);
  return node.is(ops::broadcast) && node.attributes.integers("axes") == axes;
}

// Whether the result's rows are computed from the same rows of operand `operand`, by reductions of
// rows and what is elementwise.
bool works_by_rows(const Graph& body, int operand) {
  const Value scores = body_leaves(body)[operand];
  const Shape& shape = body.type(scores).shape;
  if (body.outputs().size() != 1 || body.type(body.outputs()[0].value).shape != shape) return false;
  std::vector<bool> depends(body.size(), false);
  depends[scores.node] = true;
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    depends[i] = depends[i] || std::any_of(node.operands.begin(), node.operands.end(),
                                           [&](Value v) { return depends[v.node]; });
    if (depends[i] && i != scores.node && !keeps_rows(body, node, shape)) return false;
  }
  return depends[body.outputs()[0].value.node];
}

// The three kernels, by node of the graph.
struct Attention {
  int scores = -1, rows = -1, values = -1;
};

class Joiner {
 public:
  Joiner(const Graph& graph, const AttentionModel& model)
      : graph_(graph), model_(model), uses_(use_counts(graph)), copy_(graph) {}

  Graph run() {
    for (int i = 0; i < graph_.size(); ++i) consider(i);
    for (int i = 0; i < graph_.size(); ++i) {
      if (const auto found = joined_.find(i); found != joined_.end()) {
        append(found->second);
      } else if (!std::count(gone_.begin(), gone_.end(), i)) {
        copy_.node(i);
      }
    }
    return copy_.finish();
  }

 private:
  struct Joined {
    Attention parts;
    Graph body;
    std::vector<Value> operands;
  };

  // The kernel that computes operand `i` of another, for that one alone; -1: none.
  int only_source(const Node& kernel, int i) const {
    const Value value = kernel.operands[i];
    const Node& source = graph_.node(value);
    const int64_t reads = std::count(kernel.operands.begin(), kernel.operands.end(), value);
    const bool single = source.is(ops::kernel) && source.types.size() == 1;
    return single && reads == 1 && uses_[value.node][value.result] == 1 ? value.node : -1;
  }

  // The kernel whose product gives the scores that a kernel by rows reads; -1: none.
  int scores_of(const Node& rows) const {
    for (size_t i = 0; i < rows.operands.size(); ++i) {
      const int source = only_source(rows, static_cast<int>(i));
      if (source < 0 || !is_kernel(graph_.node(source), "matmul")) continue;
      const Graph& body = body_of(graph_.node(source));
      const int product = product_of(body);
      const bool whole =
          product >= 0 && body.type({product, 0}).shape == graph_.type({source, 0}).shape;
      if (whole && works_by_rows(body_of(rows), static_cast<int>(i))) return source;
    }
    return -1;
  }

  void consider(int i) {
    const Node& values = graph_.node(i);
    if (!is_kernel(values, "matmul") || values.types.size() != 1) return;
    const int left = left_operand(body_of(values));
    const int rows = left < 0 ? -1 : only_source(values, left);
    if (rows < 0 || !is_kernel(graph_.node(rows), "reduction")) return;
    const int scores = scores_of(graph_.node(rows));
    if (scores < 0) return;
    Joined joined{{scores, rows, i}, Graph("body"), {}};
    write_body(joined);
    if (!model_.pays(joined.body)) return;
    gone_.insert(gone_.end(), {scores, rows});
    joined_.emplace(i, std::move(joined));
  }

  // Appends the bodies of the three, one after the other.
  void write_body(Joined& joined) const {
    std::map<Value, Value> known;  // of the graph → of the body
    for (int part : {joined.parts.scores, joined.parts.rows, joined.parts.values}) {
      const Node& kernel = graph_.node(part);
      const Graph& from = body_of(kernel);
      const std::vector<Value> leaves = body_leaves(from);
      std::map<Value, Value> values;
      for (size_t i = 0; i < leaves.size(); ++i) {
        const Value operand = kernel.operands[i];
        if (!known.contains(operand)) {
          const std::string name = "x" + std::to_string(joined.operands.size());
          known[operand] = joined.body.add_leaf(ops::input, name, from.type(leaves[i]), {});
          joined.operands.push_back(operand);
        }
        values[leaves[i]] = known.at(operand);
      }
      for (int i = 0; i < from.size(); ++i) {
        const Node& node = from.node(i);
        if (node.op->kind == OpKind::leaf) continue;
        std::vector<Value> operands;
        for (Value operand : node.operands) operands.push_back(values.at(operand));
        const int fresh = joined.body.append(*node.op, operands, node.attributes, node.location);
        for (size_t r = 0; r < node.types.size(); ++r)
          values[{i, static_cast<int>(r)}] = {fresh, static_cast<int>(r)};
      }
      known[{part, 0}] = values.at(from.outputs()[0].value);
    }
    joined.body.add_output("y0", known.at({joined.parts.values, 0}));
  }

  void append(Joined& joined) {
    std::vector<Value> operands;
    for (Value operand : joined.operands) operands.push_back(copy_[operand]);
    const int fresh =
        copy_.graph().append(ops::kernel, std::move(operands),
                             {{"class", std::string("attention")},
                              {"body", std::make_shared<const Graph>(std::move(joined.body))}},
                             graph_.node(joined.parts.values).location);
    copy_.map_node(joined.parts.values, fresh);
  }

  const Graph& graph_;
  const AttentionModel& model_;
  const std::vector<std::vector<int>> uses_;
  GraphCopy copy_;
  std::map<int, Joined> joined_;
  std::vector<int> gone_;
};

}  // namespace

Graph fuse_attention(const Graph& graph, const AttentionModel& model) {
  return Joiner(graph, model).run();
}

}  // namespace ag
