// One block of memory for all temporaries: who lives when, and where.
#pragma once

#include <cstdint>
#include <vector>

namespace ag::plan {

// A piece of memory wanted from step `first` to step `last`, both included.
struct Lifetime {
  int64_t bytes = 0;
  int first = 0, last = 0;
  // Whether each part of what a reader writes needs all of it, as each channel behind a convolution
  // does: several threads then have it in their caches.
  bool read_across = false;
};

// What a piece takes of an arena: whole steps of kStorageAlignment.
int64_t aligned_bytes(int64_t bytes);

struct ArenaPlan {
  std::vector<int64_t> offsets;  // of each lifetime, multiples of kStorageAlignment
  int64_t bytes = 0;             // of the arena
  int64_t lower_bound = 0;       // the most bytes alive at one step: no plan can be smaller
};

// Interval colouring: one after the other, each at the lowest offset that is free during its
// lifetime (Sekiyama et al., "Profile-guided memory optimization for deep neural networks", 2018).
// Largest first in three senses; then what sticks out at the top goes first, some dozens of times.
// Within the arena's bytes pieces then move to where the caches like them best.
ArenaPlan plan_arena(const std::vector<Lifetime>& lifetimes);

}  // namespace ag::plan
