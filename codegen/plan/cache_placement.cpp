#include "codegen/plan/cache_placement.h"

#include <algorithm>
#include <numeric>

#include "codegen/schedule/caches.h"

namespace ag::plan {
namespace {

// Bytes that are written until the caches of other cores have dropped a piece. More, and one thread
// alone would write more memory than its cache holds for nothing.
constexpr int64_t kForgotten = kCaches.second * 3 / 2;
// Pieces of fewer bytes stay where they are, and are nobody's obstacle: a hundred lines are soon
// written, and a program may have thousands of them.
constexpr int64_t kSmall = 8 * 1024;
// Of a byte that no second-level cache has, beside one that another core's has.
constexpr double kFarByte = 0.1;

struct Range {
  int64_t begin, end;

  int64_t size() const { return end - begin; }
  int64_t common(const Range& other) const {
    return std::max<int64_t>(std::min(end, other.end) - std::max(begin, other.begin), 0);
  }
};

class CachePlacement {
 public:
  CachePlacement(const std::vector<Lifetime>& lifetimes, ArenaPlan& plan)
      : lifetimes_(lifetimes), plan_(plan) {
    int steps = 0;
    for (const Lifetime& lifetime : lifetimes) steps = std::max(steps, lifetime.last + 1);
    written_.assign(static_cast<size_t>(steps) + 1, 0);
    for (const Lifetime& lifetime : lifetimes)
      written_[static_cast<size_t>(lifetime.first) + 1] += lifetime.bytes;
    std::partial_sum(written_.begin(), written_.end(), written_.begin());
  }

  void run() {
    std::vector<size_t> order(lifetimes_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return lifetimes_[a].first < lifetimes_[b].first; });
    for (size_t piece : order) {
      if (lifetimes_[piece].bytes >= kSmall) place(piece);
    }
  }

 private:
  // Memory of a piece that died shortly before.
  struct Recent {
    Range range;
    bool read_across;
  };

  Range range_of(size_t piece) const {
    return {plan_.offsets[piece], plan_.offsets[piece] + aligned_bytes(lifetimes_[piece].bytes)};
  }

  // What steps have written from the last of one piece until the first of another.
  int64_t written_between(const Lifetime& before, const Lifetime& after) const {
    return written_[static_cast<size_t>(after.first)] - written_[static_cast<size_t>(before.last)];
  }

  std::vector<Recent> recent_before(const Lifetime& lifetime) const {
    std::vector<Recent> recent;
    for (size_t i = 0; i < lifetimes_.size(); ++i) {
      const Lifetime& other = lifetimes_[i];
      const bool before = other.last < lifetime.first && other.bytes >= kSmall;
      if (before && written_between(other, lifetime) < kForgotten)
        recent.push_back({range_of(i), other.read_across});
    }
    return recent;
  }

  // Ranges between the pieces that live at the same time.
  std::vector<Range> gaps_for(size_t piece) const {
    const Lifetime& lifetime = lifetimes_[piece];
    std::vector<Range> taken;
    for (size_t i = 0; i < lifetimes_.size(); ++i) {
      const Lifetime& other = lifetimes_[i];
      if (i != piece && other.first <= lifetime.last && lifetime.first <= other.last)
        taken.push_back(range_of(i));
    }
    std::sort(taken.begin(), taken.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    taken.push_back({plan_.bytes, plan_.bytes});
    std::vector<Range> gaps;
    int64_t free = 0;
    for (const Range& range : taken) {
      if (range.begin > free) gaps.push_back({free, range.begin});
      free = std::max(free, range.end);
    }
    return gaps;
  }

  static double cost(const Range& range, const std::vector<Recent>& recent) {
    double cost = 0;
    int64_t far = range.size();
    for (const Recent& other : recent) {
      const int64_t common = range.common(other.range);
      const bool same = common == range.size() && common == other.range.size();
      if (!same || other.read_across) cost += static_cast<double>(common);
      far -= common;
    }
    return cost + kFarByte * static_cast<double>(std::max<int64_t>(far, 0));
  }

  void place(size_t piece) {
    const Lifetime& lifetime = lifetimes_[piece];
    const std::vector<Recent> recent = recent_before(lifetime);
    Range best = range_of(piece);
    const int64_t size = best.size();
    double least = cost(best, recent);
    for (const Range& gap : gaps_for(piece)) {
      std::vector<int64_t> begins{gap.begin, gap.end - size};
      for (const Recent& other : recent) {
        begins.insert(begins.end(), {other.range.begin, other.range.end, other.range.begin - size});
      }
      for (int64_t begin : begins) {
        const Range range{begin, begin + size};
        if (range.begin < gap.begin || range.end > gap.end) continue;
        const double its_cost = cost(range, recent);
        if (its_cost >= least) continue;
        least = its_cost;
        best = range;
      }
    }
    plan_.offsets[piece] = best.begin;
  }

  const std::vector<Lifetime>& lifetimes_;
  ArenaPlan& plan_;
  std::vector<int64_t> written_;  // bytes before each step
};

}  // namespace

void suit_caches(const std::vector<Lifetime>& lifetimes, ArenaPlan& plan) {
  CachePlacement(lifetimes, plan).run();
}

}  // namespace ag::plan
