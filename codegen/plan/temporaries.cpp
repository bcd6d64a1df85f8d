// The planner's values in the arena: how long they live, where they lie, whose halo is still zero.
#include <algorithm>

#include "codegen/plan/entry_planner.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/winograd.h"

namespace ag::plan {

namespace {

// Whether each part of a kernel's result needs all of its operands.
bool reads_across(const Node& kernel) {
  const Graph& body = kernel.attributes.graph("body");
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    if (node.is(ops::conv) && ConvSpec::of(node).groups == 1) return true;
    if (node.is(ops::matmul) || node.is(ops::winograd_conv)) return true;
  }
  return false;
}

}  // namespace

std::map<Value, Lifetime> EntryPlanner::lifetimes(bool prepare) const {
  std::map<Value, int> last = last_use_;
  for (const auto& [value, buffer] : final_copies_) {
    (void)buffer;
    last[value] = graph_.size();
  }
  std::map<Value, Lifetime> lifetimes;
  for (int i = 0; i < graph_.size(); ++i) {
    if (!is_kernel(i) || is_prepare_[i] != prepare) continue;
    for (size_t r = 0; r < node(i).types.size(); ++r) {
      Value value{i, static_cast<int>(r)}, whole = whole_of(value);
      if (placements_.contains(value)) continue;
      if (prepare && used_outside_prepare_.contains(value)) continue;  // at its kernel
      int until = last.contains(value) ? last.at(value) : i;
      auto [known, is_new] =
          lifetimes.try_emplace(whole, Lifetime{bytes_of(form(whole)), i, until});
      if (!is_new) known->second.last = std::max(known->second.last, until);
    }
  }
  for (int i = 0; i < graph_.size(); ++i) {
    if (!is_kernel(i) || !reads_across(node(i))) continue;
    for (Value operand : node(i).operands) {
      auto read = lifetimes.find(whole_of(operand));
      if (read != lifetimes.end()) read->second.read_across = true;
    }
  }
  return lifetimes;
}

int64_t EntryPlanner::place_in_arena(const std::map<Value, Lifetime>& lifetimes, int64_t& bytes) {
  std::vector<Lifetime> wanted;
  for (const auto& [value, lifetime] : lifetimes) {
    (void)value;
    wanted.push_back(lifetime);
  }
  ArenaPlan arena = plan_arena(wanted);
  size_t i = 0;
  for (const auto& [value, lifetime] : lifetimes) {
    (void)lifetime;
    place(value, Storage::arena, arena.offsets[i++]);
  }
  bytes = std::max(bytes, arena.bytes);
  return arena.lower_bound;
}

void EntryPlanner::place_temporaries() {
  const std::map<Value, Lifetime> run = lifetimes(false);
  live_bytes_.assign(static_cast<size_t>(graph_.size()) + 1, 0);
  for (const auto& [value, lifetime] : run) {
    (void)value;
    for (int i = lifetime.first; i <= lifetime.last; ++i)
      live_bytes_[static_cast<size_t>(i)] += lifetime.bytes;
  }
  int64_t lower_bound = place_in_arena(run, entry_.arena_bytes);
  place_in_arena(lifetimes(true), shared_.program().prepare_arena_bytes);
  shared_.plan().memory.push_back({entry_.name, entry_.arena_bytes, lower_bound});
}

bool EntryPlanner::claim_zero_halo(Value value) {
  const Value whole = whole_of(value);
  const Placement& placement = placements_.at(whole);
  const Buffer& buffer = shared_.program().buffers[static_cast<size_t>(placement.buffer)];
  if (buffer.storage != Storage::arena || is_prepare_[value.node]) return false;
  const int64_t begin = buffer.offset - origin_of(placement.form);
  const int64_t end = begin + bytes_of(placement.form);
  const bool apart = whole == value && !parts_.contains(value);
  bool is_zero = false;
  std::erase_if(zeroed_, [&](const ZeroedHalo& known) {
    is_zero = is_zero || (apart && known.begin == begin && known.form == placement.form);
    return known.begin < end && begin < known.end;
  });
  if (apart && !placement.form.halo.empty()) zeroed_.push_back({begin, end, placement.form});
  return is_zero;
}

}  // namespace ag::plan
