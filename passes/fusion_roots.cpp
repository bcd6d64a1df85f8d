// Which values are stored: the first step of fusion.

#include <algorithm>

#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/index.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/random.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/ops/window.h"
#include "ir/ops/winograd.h"
#include "passes/fusion_groups.h"
#include "passes/fusion_rows.h"

namespace ag {
namespace {

struct RoleRow {
  const OpDef* op;
  FusionRole role;
  std::string_view kernel_class;
};

// Ops that are neither pointwise by their record nor leaves.
constexpr RoleRow kRoles[] = {
    {&ops::full, FusionRole::generator, "pointwise"},
    {&ops::iota, FusionRole::generator, "pointwise"},
    {&ops::constant, FusionRole::generator, "pointwise"},
    {&ops::broadcast, FusionRole::view, "pointwise"},
    {&ops::reshape, FusionRole::view, "pointwise"},
    {&ops::transpose, FusionRole::view, "pointwise"},
    {&ops::slice, FusionRole::view, "pointwise"},
    {&ops::pad, FusionRole::view, "pointwise"},
    {&ops::concat, FusionRole::view, "pointwise"},
    {&ops::reverse, FusionRole::view, "pointwise"},
    {&ops::to_layout, FusionRole::view, "pointwise"},
    {&ops::reduce_sum, FusionRole::reduction, "reduction"},
    {&ops::reduce_max, FusionRole::reduction, "reduction"},
    {&ops::reduce_min, FusionRole::reduction, "reduction"},
    {&ops::argmax, FusionRole::reduction, "reduction"},
    {&ops::argmin, FusionRole::reduction, "reduction"},
    {&ops::conv, FusionRole::anchor, "conv"},
    {&ops::matmul, FusionRole::anchor, "matmul"},
    {&ops::max_pool, FusionRole::anchor, "window"},
    {&ops::sum_pool, FusionRole::anchor, "window"},
    {&ops::random_bits, FusionRole::anchor, "gather"},
    {&ops::window_scatter, FusionRole::anchor, "window"},
    {&ops::window_gather, FusionRole::anchor, "window"},
    {&ops::winograd_conv, FusionRole::anchor, "winograd"},
    {&ops::winograd_backward_weights, FusionRole::anchor, "winograd_backward"},
    {&ops::winograd_weights, FusionRole::anchor, "winograd_transform"},
};

const RoleRow* role_row(const OpDef& op) {
  auto row = std::find_if(std::begin(kRoles), std::end(kRoles),
                          [&](const RoleRow& r) { return r.op == &op; });
  return row == std::end(kRoles) ? nullptr : row;
}

// Ops whose recomputation costs more than a load or two.
constexpr const OpDef* kExpensive[] = {
    &ops::exp, &ops::log, &ops::tanh,    &ops::erf,   &ops::gelu_slope,
    &ops::sin, &ops::cos, &ops::sigmoid, &ops::power, &ops::random_bits};

bool is_expensive(const Node& node) {
  return std::find(std::begin(kExpensive), std::end(kExpensive), node.op) != std::end(kExpensive);
}

// The most stored tensors an elementwise value may read to be recomputed in several kernels, and
// the most operations it may take.
constexpr int kMostRecomputedOps = 12;

class RootChooser {
 public:
  RootChooser(const Graph& graph, const FuseOptions& options)
      : graph_(graph), options_(options), uses_(graph.size()) {
    groups_.roots.resize(graph.size());
    groups_.anchor.assign(graph.size(), -1);
    for (int i = 0; i < graph.size(); ++i) {
      for (Value operand : graph.node(i).operands) uses_[operand.node].push_back(i);
    }
    is_output_.assign(graph.size(), false);
    for (const Output& output : graph.outputs()) is_output_[output.value.node] = true;
    size_closures();
    find_constants();
  }

  FusionGroups run() {
    for (int i = graph_.size() - 1; i >= 0; --i) decide(i);
    for (int i = 0; i < graph_.size(); ++i) {
      if (groups_.is_root(i)) groups_.kernels.push_back({i});
    }
    return std::move(groups_);
  }

 private:
  // How many tensors of the node's own size and how many operations its elementwise closure takes.
  struct Closure {
    std::set<int> reads;
    int operations = 0;
    bool expensive = false;
  };

  // An estimate that takes reductions, anchors and leaves for stored.
  void size_closures() {
    closures_.resize(graph_.size());
    for (int i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(i);
      FusionRole role = fusion_role(node);
      Closure& closure = closures_[i];
      if (role == FusionRole::leaf || role == FusionRole::anchor || role == FusionRole::reduction ||
          is_stored_concat(graph_, i)) {
        closure.reads = {i};
        continue;
      }
      closure.operations = role == FusionRole::pointwise;
      closure.expensive = is_expensive(node);
      for (Value operand : node.operands) {
        const Closure& part = closures_[operand.node];
        bool small = graph_.type(operand).count() * 4 < node.types[0].count();
        if (small) continue;
        closure.reads.insert(part.reads.begin(), part.reads.end());
        closure.operations += part.operations;
        closure.expensive = closure.expensive || part.expensive;
      }
    }
  }

  // Values of parameters that this graph does not update: computed once, not once a run.
  void find_constants() {
    groups_.is_constant.assign(graph_.size(), false);
    std::set<std::string_view> updated;
    for (const Output& output : graph_.outputs()) {
      if (output.updates) updated.insert(output.name);
    }
    for (int i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(i);
      if (node.is(ops::parameter)) {
        groups_.is_constant[i] = !updated.contains(graph_.leaf_name({i, 0}));
        continue;
      }
      bool any = false;
      const bool all = std::all_of(node.operands.begin(), node.operands.end(), [&](Value operand) {
        any = any || groups_.is_constant[operand.node];
        return groups_.is_constant[operand.node] ||
               fusion_role(graph_.node(operand)) == FusionRole::generator;
      });
      groups_.is_constant[i] = any && all;
    }
  }

  void decide(int i) {
    const Node& node = graph_.node(i);
    FusionRole role = fusion_role(node);
    if (role == FusionRole::leaf) return;
    std::set<int> users;
    for (int user : uses_[i]) users.insert(groups_.roots[user].begin(), groups_.roots[user].end());
    bool stored = is_output_[i] || node.types.size() > 1 || wanted_in_memory(i) || users.empty() ||
                  is_stored_concat(graph_, i) || rows_.ends_rows(i) || stands_alone(role) ||
                  is_prepared(i);
    if (!stored && role != FusionRole::generator) {
      stored = users.size() > 1 ? !worth_recomputing(i, users) : !joins(i, *users.begin(), role);
    }
    if (stored && !users.empty() && role == FusionRole::generator && !is_output_[i] &&
        !wanted_in_memory(i)) {
      stored = false;
    }
    bool dead = users.empty() && !is_output_[i];
    if (dead) return;
    if (!stored) {
      groups_.roots[i] = std::move(users);
      bool anchors = role == FusionRole::anchor || role == FusionRole::reduction;
      if (anchors && groups_.anchor[*groups_.roots[i].begin()] < 0)
        groups_.anchor[*groups_.roots[i].begin()] = i;
      return;
    }
    groups_.roots[i] = {i};
    if (role == FusionRole::anchor || role == FusionRole::reduction) groups_.anchor[i] = i;
  }

  // Whether a value of parameters alone is computed once, not in each run of its users: a
  // transpose, or what is elementwise with parameters of its own size.
  bool is_prepared(int i) const {
    const Node& node = graph_.node(i);
    if (!groups_.is_constant[i] || node.is(ops::transpose)) return groups_.is_constant[i];
    const bool runs = std::any_of(uses_[i].begin(), uses_[i].end(), [&](int user) {
      return is_live(user) && !groups_.is_constant[user];
    });
    return runs && node.op->pointwise && !closures_[i].reads.empty();
  }

  // Whether every op of this role is a kernel of its own.
  bool stands_alone(FusionRole role) const {
    return !options_.joins && role != FusionRole::view && role != FusionRole::generator;
  }

  bool is_live(int i) const { return !groups_.roots[i].empty(); }

  // Anchors read stored operands, but for prologues; so do reductions where finding an element
  // takes tests (concat), since they and what follows them read it several times. Parts of a stored
  // concat are written where they belong.
  bool wanted_in_memory(int i) const {
    const bool tests = graph_.node(i).is(ops::concat);
    return std::any_of(uses_[i].begin(), uses_[i].end(), [&](int user) {
      if (!is_live(user)) return false;
      const FusionRole role = fusion_role(graph_.node(user));
      return (role == FusionRole::anchor && !is_prologue(i, user)) ||
             (tests && role == FusionRole::reduction) || is_stored_concat(graph_, user);
    });
  }

  // Whether a pointwise 1x1 convolution computes its own input: what is elementwise between a
  // concat and the convolution, which no earlier kernel could compute behind its own values.
  bool is_prologue(int i, int user) const {
    const Closure& closure = closures_[i];
    const bool cheap = !closure.expensive && closure.operations <= kMostRecomputedOps;
    return fusion_role(graph_.node(i)) == FusionRole::pointwise && uses_[i].size() == 1 &&
           !is_output_[i] && groups_.roots[user].size() == 1 && cheap &&
           closure.reads.size() == 1 && is_stored_concat(graph_, *closure.reads.begin()) &&
           takes_prologue(graph_, user) && graph_.node(user).operands[0].node == i;
  }

  // Recomputing in k kernels reads k·m tensors; storing it costs m + 1 + k.
  bool worth_recomputing(int i, const std::set<int>& users) const {
    FusionRole role = fusion_role(graph_.node(i));
    if (role == FusionRole::anchor || role == FusionRole::reduction) return false;
    const Closure& closure = closures_[i];
    int k = static_cast<int>(users.size()), m = static_cast<int>(closure.reads.size());
    if (repeated_by_broadcast(i) || completes_anchor(i)) return false;
    return !closure.expensive && closure.operations <= kMostRecomputedOps && k * m <= m + 1 + k;
  }

  // Whether elementwise ops of one shape lead from an anchor to this value and to nothing else: the
  // anchor's kernel stores it in the place of the anchor's own result.
  bool completes_anchor(int i) const {
    const Shape& shape = graph_.node(i).types[0].shape;
    if (!graph_.node(i).op->pointwise) return false;
    std::set<int> leading{i}, work{i};  // from the last on: all users of a node come before it
    while (!work.empty()) {
      const int last = *work.rbegin();
      work.erase(last);
      for (Value operand : graph_.node(last).operands) {
        const Node& source = graph_.node(operand);
        const std::vector<int>& uses = uses_[operand.node];
        const bool only_here =
            std::all_of(uses.begin(), uses.end(), [&](int use) { return leading.contains(use); });
        if (source.types[0].shape != shape || !only_here) continue;
        if (fusion_role(source) == FusionRole::anchor) return true;
        if (source.op->pointwise && leading.insert(operand.node).second) work.insert(operand.node);
      }
    }
    return false;
  }

  bool joins(int i, int root, FusionRole role) const {
    switch (role) {
      case FusionRole::anchor: return anchor_joins(i, root);
      case FusionRole::reduction: return reduction_joins(i, root);
      case FusionRole::pointwise: return !repeated_by_broadcast(i) || is_row_value(i, root);
      default: return true;
    }
  }

  // Whether a computed value is read many times over by a broadcast of it.
  bool repeated_by_broadcast(int i) const {
    if (fusion_role(graph_.node(i)) != FusionRole::pointwise) return false;
    return std::any_of(uses_[i].begin(), uses_[i].end(), [&](int user) {
      const Node& node = graph_.node(user);
      return is_live(user) && node.is(ops::broadcast) &&
             node.types[0].count() > graph_.node(i).types[0].count();
    });
  }

  // A row kernel computes values with one element per row once a row; a kernel is one, or becomes
  // one, when such a value comes from a reduction of its rows.
  bool is_row_value(int i, int root) const {
    const int anchor = groups_.anchor[root];
    if (!has_one_more_axis(root, graph_.node(i).types[0].shape) || !rows_.stays_in_rows(i, root)) {
      return false;
    }
    if (anchor >= 0) return fusion_role(graph_.node(anchor)) == FusionRole::reduction;
    return rows_.comes_from_rows(i, root);
  }

  // A row value may keep an axis of extent 1 where the rows' elements were.
  bool has_one_more_axis(int root, Shape rows) const {
    const Shape& full = graph_.node(root).types[0].shape;
    if (rows.size() == full.size() && !rows.empty() && rows.back() == 1) rows.pop_back();
    const Shape& shape = graph_.node(root).types[0].shape;
    return shape.size() == rows.size() + 1 && std::equal(rows.begin(), rows.end(), shape.begin());
  }

  // An anchor's values flow to the root through elementwise ops of its own shape only.
  bool anchor_joins(int i, int root) const {
    return groups_.anchor[root] < 0 && flows_unchanged(i, root);
  }

  bool flows_unchanged(int i, int root) const {
    const Shape& shape = graph_.node(i).types[0].shape;
    return std::all_of(uses_[i].begin(), uses_[i].end(), [&](int user) {
      if (!is_live(user)) return true;
      const Node& node = graph_.node(user);
      bool same = node.op->pointwise && node.types[0].shape == shape;
      return same && (user == root || flows_unchanged(user, root));
    });
  }

  bool reduction_joins(int i, int root) const {
    const Node& node = graph_.node(i);
    int other = groups_.anchor[root];
    bool row_kernel = other < 0 || fusion_role(graph_.node(other)) == FusionRole::reduction;
    bool folds = node.is(ops::reduce_sum) || node.is(ops::reduce_max) || node.is(ops::reduce_min);
    if (!row_kernel || !folds) {
      return false;
    }
    return (rows_.folds_rows(node, root) && rows_.stays_in_rows(i, root)) ||
           (other < 0 && (flows_unchanged(i, root) || flows_to_pixel(i, root)));
  }

  // Whether a sum over positions is made an image of one position last (a mean that a convolution
  // reads).
  bool flows_to_pixel(int i, int root) const {
    const Node& last = graph_.node(root);
    if (!last.is(ops::reshape)) return false;
    const Shape &from = graph_.type(last.operands[0]).shape, &to = last.types[0].shape;
    const bool pixel =
        to.size() > from.size() + 1 && std::equal(from.begin(), from.end(), to.begin());
    return pixel && graph_.node(i).types[0].shape == from &&
           (last.operands[0].node == i || flows_unchanged(i, last.operands[0].node));
  }

  const Graph& graph_;
  const FuseOptions options_;
  std::vector<std::vector<int>> uses_;
  std::vector<bool> is_output_;
  std::vector<Closure> closures_;
  FusionGroups groups_;
  RowFlow rows_{graph_, uses_, groups_};
};

}  // namespace

FusionRole fusion_role(const Node& node) {
  if (node.op->kind == OpKind::leaf) return FusionRole::leaf;
  if (const RoleRow* row = role_row(*node.op)) return row->role;
  if (node.op->pointwise) return FusionRole::pointwise;
  return FusionRole::anchor;
}

std::string_view kernel_class_of(const OpDef& op) {
  if (const RoleRow* row = role_row(op)) return row->kernel_class;
  return op.pointwise ? "pointwise" : "gather";
}

bool is_stored_concat(const Graph& graph, int i) {
  constexpr int64_t kMostLanes = 16;  // of a vector, which is a block of channels
  const Node& node = graph.node(i);
  if (!node.is(ops::concat) || node.types[0].rank() < 3 || node.attributes.integer("axis") != 1) {
    return false;
  }
  return std::all_of(node.operands.begin(), node.operands.end() - 1,
                     [&](Value part) { return graph.type(part).shape[1] % kMostLanes == 0; });
}

bool takes_prologue(const Graph& graph, int i) {
  constexpr int64_t kLeastPositions = 128, kMostLanes = 16;
  const Node& node = graph.node(i);
  if (!node.is(ops::conv) || node.types[0].rank() != 4 || node.types[0].dtype != DType::f32) {
    return false;
  }
  const ConvSpec spec = ConvSpec::of(node);
  const Shape &lhs = graph.type(node.operands[0]).shape, &rhs = graph.type(node.operands[1]).shape,
              &out = node.types[0].shape;
  const bool plain = spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1 &&
                     spec.dims.rhs_output == 0 && spec.groups == 1;
  return plain && rhs[2] == 1 && rhs[3] == 1 && lhs[2] == out[2] && lhs[3] == out[3] &&
         spec.low == Integers{0, 0} && lhs[1] > kMostLanes && lhs[1] % kMostLanes == 0 &&
         out[1] % kMostLanes == 0 && out[2] * out[3] >= kLeastPositions;
}

bool is_view_slice(const Graph& graph, int i) {
  const Node& node = graph.node(i);
  if (!node.is(ops::slice)) return false;
  const Shape &from = graph.type(node.operands[0]).shape, &to = node.types[0].shape;
  const Integers stride = node.attributes.integers("stride", to.size(), 1);
  for (size_t axis = 0; axis < to.size(); ++axis) {
    if (stride[axis] != 1 || (axis > 1 && from[axis] != to[axis])) return false;
  }
  return true;
}

FusionGroups choose_roots(const Graph& graph, const FuseOptions& options) {
  return RootChooser(graph, options).run();
}

}  // namespace ag
