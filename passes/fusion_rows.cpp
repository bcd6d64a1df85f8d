#include "passes/fusion_rows.h"

#include <algorithm>
#include <numeric>

#include "ir/ops/reduce.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

// Longer rows do not stay in the first-level cache until they are read again.
constexpr int64_t kLongestRow = 16 * 1024;

// Whether a reshape adds or removes a last axis of extent 1 and nothing else.
bool is_unit_reshape(const Shape& from, const Shape& to) {
  const Shape &less = from.size() < to.size() ? from : to,
              &more = from.size() < to.size() ? to : from;
  return more.size() == less.size() + 1 && more.back() == 1 &&
         std::equal(less.begin(), less.end(), more.begin());
}

}  // namespace

bool RowFlow::folds_rows(const Node& node, int root) const {
  if (!node.is(ops::reduce_sum) && !node.is(ops::reduce_max) && !node.is(ops::reduce_min)) {
    return false;
  }
  const Shape& from = graph_.type(node.operands[0]).shape;
  const Shape& to = node.types[0].shape;
  const bool rows = from.size() == to.size() + 1 && std::equal(to.begin(), to.end(), from.begin());
  return rows && from.back() <= kLongestRow && graph_.node(root).types[0].shape == from;
}

bool RowFlow::keeps_rows(const Node& node, int root) const {
  if (node.op->pointwise || folds_rows(node, root)) return true;
  if (!node.is(ops::broadcast) && !node.is(ops::reshape)) return false;
  const Shape& from = graph_.type(node.operands[0]).shape;
  if (node.is(ops::reshape)) return is_unit_reshape(from, node.types[0].shape);
  Integers axes(from.size());
  std::iota(axes.begin(), axes.end(), 0);
  return node.attributes.integers("axes") == axes;
}

bool RowFlow::stays_in_rows(int i, int root) const {
  std::set<int> seen{i};
  std::vector<int> work{i};
  while (!work.empty()) {
    const int from = work.back();
    work.pop_back();
    if (from == root) continue;
    for (int user : uses_[from]) {
      if (!is_live(user) || !seen.insert(user).second) continue;
      if (!keeps_rows(graph_.node(user), root)) return false;
      work.push_back(user);
    }
  }
  return true;
}

bool RowFlow::comes_from_rows(int i, int root) const {
  std::set<int> seen{i};
  std::vector<int> work{i};
  const int64_t rows = graph_.node(i).types[0].count();
  while (!work.empty()) {
    const Node& node = graph_.node(work.back());
    work.pop_back();
    if (folds_rows(node, root)) return true;
    if (!node.op->pointwise && !node.is(ops::reshape)) continue;
    for (Value operand : node.operands) {
      if (graph_.type(operand).count() == rows && seen.insert(operand.node).second) {
        work.push_back(operand.node);
      }
    }
  }
  return false;
}

bool RowFlow::ends_rows(int i) const {
  if (!graph_.node(i).op->pointwise) return false;
  const bool moved = std::any_of(uses_[i].begin(), uses_[i].end(), [&](int user) {
    const Node& node = graph_.node(user);
    return is_live(user) && fusion_role(node) == FusionRole::view && !keeps_rows(node, i);
  });
  if (!moved) return false;
  std::set<int> seen{i};
  std::vector<int> work{i};
  while (!work.empty()) {
    const Node& node = graph_.node(work.back());
    work.pop_back();
    if (folds_rows(node, i)) return true;
    if (!keeps_rows(node, i)) continue;
    for (Value operand : node.operands) {
      if (seen.insert(operand.node).second) work.push_back(operand.node);
    }
  }
  return false;
}

}  // namespace ag
