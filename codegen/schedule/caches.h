// The caches of a core that default schedules are made for.
#pragma once

#include <cstdint>

namespace ag {

// A library does not know which machine it will meet, so these are sizes that suit the servers of
// the last years: Zen 4 has 32 KB and 1 MB, Sapphire Rapids 48 KB and 2 MB. Weights a little larger
// than the small first-level cache cost it nothing measurable: the second level feeds their tiles.
struct Caches {
  int64_t first = 48 * 1024;  // data
  int64_t second = 1 << 20;
  int64_t third = 8 << 20;  // what others leave of a shared one
};
inline constexpr Caches kCaches;

// Weights of more bytes than this come from beyond the second-level cache.
inline constexpr int64_t kFarWeights = kCaches.second;

// Transformed weights of more bytes than this stay in no cache from one image to the next.
inline constexpr int64_t kMemoryWeights = 2 * kCaches.third;

}  // namespace ag
