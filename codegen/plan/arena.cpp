#include "codegen/plan/arena.h"

#include <algorithm>
#include <numeric>

#include "codegen/plan/program.h"

namespace ag::plan {
namespace {

int64_t aligned(int64_t bytes) {
  return (bytes + kStorageAlignment - 1) / kStorageAlignment * kStorageAlignment;
}

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

int64_t most_alive(const std::vector<Lifetime>& lifetimes) {
  std::vector<std::pair<int, int64_t>> events;
  for (const Lifetime& lifetime : lifetimes) {
    events.emplace_back(lifetime.first, aligned(lifetime.bytes));
    events.emplace_back(lifetime.last + 1, -aligned(lifetime.bytes));
  }
  std::sort(events.begin(), events.end());  // at one step, ends (negative) come first
  int64_t alive = 0, most = 0;
  for (const auto& [step, change] : events) {
    (void)step;
    alive += change;
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace

ArenaPlan plan_arena(const std::vector<Lifetime>& lifetimes) {
  ArenaPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  plan.lower_bound = most_alive(lifetimes);
  std::vector<size_t> order(lifetimes.size()), placed;
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  for (size_t current : order) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (size_t other : placed) {
      if (!overlap(lifetimes[current], lifetimes[other])) continue;
      taken.emplace_back(plan.offsets[other],
                         plan.offsets[other] + aligned(lifetimes[other].bytes));
    }
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0, size = aligned(lifetimes[current].bytes);
    for (const auto& [begin, end] : taken) {
      if (offset + size <= begin) break;
      offset = std::max(offset, end);
    }
    plan.offsets[current] = offset;
    plan.bytes = std::max(plan.bytes, offset + size);
    placed.push_back(current);
  }
  return plan;
}

}  // namespace ag::plan
