// join_convolutions: a sum of convolutions is one convolution of more channels
//
// What: terms of a sum that are convolutions with equal windows become one convolution of the
// concatenated operands, with the concatenated weights.
//
//   %1: f32[1,256,4096] = conv(%a: f32[1,64,4096], %w)
//   %2: f32[1,256,4096] = conv(%b: f32[1,64,4096], %v)
//   %3 = add(%1, %2)
// becomes
//   %1: f32[1,128,4096] = concat(%a, %b, axis=1)
//   %2: f32[256,128,1] = concat(%w, %v, axis=1)
//   %3 = conv(%1, %2)
//
// Why: the results of all terms but one were stored and read again (WaveNet sums twenty of 4 MB);
// now the sum stays in registers. The concat costs nothing: its parts are written where they belong
// (passes/storage).
//
// When: the weights are prepared, and the operands can lie in one buffer: values that a kernel
// computes, in whole blocks of channels, not too many, each in one concat at most.
//
// Left to others: the sum of biases (simplify), storage, schedules.

#include <algorithm>
#include <map>
#include <set>

#include "ir/ops/conv.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "passes/copy.h"
#include "passes/passes.h"
#include "passes/prepared.h"

namespace ag {
namespace {

constexpr int64_t kMostLanes = 16;  // of a vector, which is a block of channels
// Channels are read in as many streams of memory as there are blocks of them; from here on the
// kernel waits for them longer than for results that are stored and read again.
constexpr int64_t kMostChannels = 256;

// Terms of a sum, in order; convolutions that become one share a group.
struct Sum {
  std::vector<Value> terms;
  std::vector<std::vector<Value>> groups;
};

class SumFinder {
 public:
  explicit SumFinder(const Graph& graph)
      : graph_(graph), uses_(use_counts(graph)), prepared_(prepared_nodes(graph)) {
    for (const Output& output : graph.outputs()) placed_.insert(output.value);
    for (int i = 0; i < graph.size(); ++i) {
      const Node& node = graph.node(i);
      if (node.is(ops::concat)) placed_.insert(node.operands.begin(), node.operands.end());
    }
    for (int i = graph.size() - 1; i >= 0; --i) {
      if (!graph.node(i).is(ops::add) || inside_.contains(i)) continue;
      Sum sum = terms_of(i);
      find_groups(sum);
      if (!sum.groups.empty()) keep(i, std::move(sum));
    }
  }

  // The sums to rewrite, by their last node.
  const std::map<int, Sum>& sums() const { return sums_; }
  // Whether a sum that is rewritten makes the node unnecessary.
  bool is_joined(int node) const { return joined_.contains(node); }

 private:
  bool used_once(Value value) const { return uses_[value.node][value.result] == 1; }

  Sum terms_of(int root) {
    Sum sum;
    std::vector<Value> work{{root, 0}};
    while (!work.empty()) {
      const Value value = work.back();
      work.pop_back();
      const Node& node = graph_.node(value);
      const bool inner = node.is(ops::add) && used_once(value);
      if (value.node != root && !inner) {
        sum.terms.push_back(value);
        continue;
      }
      inside_.insert(value.node);
      work.push_back(node.operands[1]);
      work.push_back(node.operands[0]);
    }
    return sum;
  }

  bool is_candidate(Value value) const {
    const Node& node = graph_.node(value);
    if (!node.is(ops::conv) || !used_once(value)) return false;
    const ConvSpec spec = ConvSpec::of(node);
    const Value operand = node.operands[0];
    return spec.groups == 1 && spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1 &&
           node.types[0].rank() >= 3 && graph_.node(operand).op->kind != OpKind::leaf &&
           !placed_.contains(operand) && prepared_[node.operands[1].node] &&
           graph_.type(operand).shape[1] % kMostLanes == 0;
  }

  // Equal but for the channels that are summed.
  bool have_equal_windows(Value a, Value b) const {
    const Node &first = graph_.node(a), &second = graph_.node(b);
    if (!(first.attributes == second.attributes)) return false;
    Shape x = graph_.type(first.operands[0]).shape, y = graph_.type(second.operands[0]).shape,
          w = graph_.type(first.operands[1]).shape, v = graph_.type(second.operands[1]).shape;
    const int axis = ConvSpec::of(first).dims.rhs_input;
    x[1] = y[1];
    w[axis] = v[axis];
    return x == y && w == v;
  }

  int64_t channels_of(const std::vector<Value>& group) const {
    int64_t channels = 0;
    for (Value term : group) channels += graph_.type(graph_.node(term).operands[0]).shape[1];
    return channels;
  }

  void find_groups(Sum& sum) const {
    std::set<Value> read;
    for (Value term : sum.terms) {
      if (!is_candidate(term) || !read.insert(graph_.node(term).operands[0]).second) continue;
      auto takes_term = [&](const std::vector<Value>& group) {
        return have_equal_windows(group[0], term) &&
               channels_of(group) + channels_of({term}) <= kMostChannels;
      };
      const auto group = std::find_if(sum.groups.begin(), sum.groups.end(), takes_term);
      if (group == sum.groups.end()) {
        sum.groups.push_back({term});
      } else {
        group->push_back(term);
      }
    }
    std::erase_if(sum.groups, [](const std::vector<Value>& group) { return group.size() < 2; });
  }

  void keep(int root, Sum sum) {
    for (const std::vector<Value>& group : sum.groups) {
      for (Value term : group) {
        joined_.insert(term.node);
        placed_.insert(graph_.node(term).operands[0]);
        std::erase(sum.terms, term);
      }
    }
    // Biases first: their sum is computed before it is repeated (simplify).
    std::stable_partition(sum.terms.begin(), sum.terms.end(),
                          [&](Value term) { return graph_.node(term).is(ops::broadcast); });
    std::vector<Value> work = graph_.node(root).operands;
    while (!work.empty()) {
      const Value value = work.back();
      work.pop_back();
      if (!inside_.contains(value.node) || !used_once(value)) continue;
      joined_.insert(value.node);
      const std::vector<Value>& operands = graph_.node(value).operands;
      work.insert(work.end(), operands.begin(), operands.end());
    }
    sums_[root] = std::move(sum);
  }

  const Graph& graph_;
  std::vector<std::vector<int>> uses_;
  std::vector<bool> prepared_;
  std::set<Value> placed_;  // outputs and operands of concats
  std::set<int> inside_;    // adds of sums already seen
  std::map<int, Sum> sums_;
  std::set<int> joined_;
};

Tensor joined(GraphCopy& copy, const std::vector<Value>& group) {
  const Node& first = copy.from().node(group[0]);
  std::vector<Tensor> operands, weights;
  for (Value term : group) {
    const Node& node = copy.from().node(term);
    operands.push_back(copy.tensor(node.operands[0]));
    weights.push_back(copy.tensor(node.operands[1]));
  }
  const Tensor x = concat(operands, 1), w = concat(weights, ConvSpec::of(first).dims.rhs_input);
  return {copy.graph(),
          copy.graph().add(ops::conv, {x.value(), w.value()}, first.attributes, first.location)};
}

}  // namespace

Graph join_convolutions(const Graph& graph) {
  const SumFinder finder(graph);
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    if (finder.is_joined(i)) continue;
    const auto found = finder.sums().find(i);
    if (found == finder.sums().end()) {
      copy.node(i);
      continue;
    }
    LocationGuard location(copy.graph(), graph.node(i).location);
    Tensor sum;
    for (const std::vector<Value>& group : found->second.groups) {
      const Tensor part = joined(copy, group);
      sum = sum.valid() ? sum + part : part;
    }
    Tensor rest;
    for (Value term : found->second.terms)
      rest = rest.valid() ? rest + copy.tensor(term) : copy.tensor(term);
    copy.replace({i, 0}, rest.valid() ? sum + rest : sum);
  }
  return copy.finish();
}

}  // namespace ag
