#include "codegen/plan/arena.h"

#include <algorithm>
#include <numeric>

#include "codegen/plan/cache_placement.h"
#include "codegen/plan/program.h"

namespace ag::plan {

int64_t aligned_bytes(int64_t bytes) {
  return (bytes + kStorageAlignment - 1) / kStorageAlignment * kStorageAlignment;
}

namespace {

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

int64_t most_alive(const std::vector<Lifetime>& lifetimes) {
  std::vector<std::pair<int, int64_t>> events;
  for (const Lifetime& lifetime : lifetimes) {
    events.emplace_back(lifetime.first, aligned_bytes(lifetime.bytes));
    events.emplace_back(lifetime.last + 1, -aligned_bytes(lifetime.bytes));
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

using Order = std::vector<size_t>;

// Each lifetime in turn at the lowest offset that is free while it lives.
ArenaPlan place_in_order(const std::vector<Lifetime>& lifetimes, const Order& order) {
  ArenaPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> placed;
  for (size_t current : order) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (size_t other : placed) {
      if (!overlap(lifetimes[current], lifetimes[other])) continue;
      taken.emplace_back(plan.offsets[other],
                         plan.offsets[other] + aligned_bytes(lifetimes[other].bytes));
    }
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0, size = aligned_bytes(lifetimes[current].bytes);
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

// The largest first, by bytes, by bytes times steps, or by steps.
std::vector<Order> first_orders(const std::vector<Lifetime>& lifetimes) {
  Order order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  auto steps = [&](size_t i) { return lifetimes[i].last - lifetimes[i].first + 1; };
  auto sorted = [&](auto weight) {
    Order by_weight = order;
    std::stable_sort(by_weight.begin(), by_weight.end(),
                     [&](size_t a, size_t b) { return weight(a) > weight(b); });
    return by_weight;
  };
  return {sorted([&](size_t i) { return lifetimes[i].bytes; }),
          sorted([&](size_t i) { return lifetimes[i].bytes * steps(i); }),
          sorted([&](size_t i) { return int64_t{steps(i)}; })};
}

// Places what sticks out at the top first, again and again, while that may help.
ArenaPlan improve(const std::vector<Lifetime>& lifetimes, Order order, ArenaPlan best,
                  int64_t lower_bound) {
  constexpr int64_t kMostComparisons = 20'000'000;
  const int64_t size = static_cast<int64_t>(order.size());
  const int64_t rounds =
      std::min<int64_t>(64, kMostComparisons / std::max<int64_t>(size * size, 1));
  ArenaPlan plan = best;
  for (int64_t round = 0; round < rounds && best.bytes > lower_bound; ++round) {
    const auto top = std::find_if(order.begin(), order.end(), [&](size_t i) {
      return plan.offsets[i] + aligned_bytes(lifetimes[i].bytes) == plan.bytes;
    });
    if (top == order.begin()) break;
    std::rotate(order.begin(), top, top + 1);
    plan = place_in_order(lifetimes, order);
    if (plan.bytes < best.bytes) best = plan;
  }
  return best;
}

}  // namespace

ArenaPlan plan_arena(const std::vector<Lifetime>& lifetimes) {
  const int64_t lower_bound = most_alive(lifetimes);
  ArenaPlan best;
  for (const Order& order : first_orders(lifetimes)) {
    ArenaPlan plan = place_in_order(lifetimes, order);
    plan = improve(lifetimes, order, std::move(plan), lower_bound);
    if (best.bytes == 0 || plan.bytes < best.bytes) best = std::move(plan);
    if (best.bytes <= lower_bound) break;
  }
  suit_caches(lifetimes, best);
  best.lower_bound = lower_bound;
  return best;
}

}  // namespace ag::plan
