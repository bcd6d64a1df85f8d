// Where in an arena the caches like a piece best.
#pragma once

#include "codegen/plan/arena.h"

namespace ag::plan {

// Moves pieces of a plan within its bytes, in the order they begin, to memory that a thread can
// write soonest. The lines of a piece that died a moment ago wait in the second-level caches of the
// cores that wrote or read it, and a line that another core has must come from there, or be given
// up there, first: 150 KB of such lines took two threads 10 us more than lines that no core has any
// longer. Best is a place that the same threads wrote the last time: that of a piece of the same
// size, which no other thread has read since (`Lifetime::read_across`).
void suit_caches(const std::vector<Lifetime>& lifetimes, ArenaPlan& plan);

}  // namespace ag::plan
