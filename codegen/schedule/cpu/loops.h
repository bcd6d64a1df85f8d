// Loop shapes that the CPU templates share.
#pragma once

#include "codegen/schedule/results.h"

namespace ag::schedule {

// How many tasks a parallel loop should offer: enough to balance a few cores, few enough that
// handing them out costs nothing.
inline constexpr int kParallelTasks = 16;

// Loops over stage `index`: the innermost dimension vectorised, outer ones (or chunks of a single
// one) parallel. Returns the loop to compute per-row temporaries at: the one outside the innermost
// dimension; not `defined` when the stage has no outer dimension.
struct RowLoop {
  Halide::Func stage;
  Halide::Var loop;
  bool defined = false;
  int extent = 1;  // of the loop, where it is a whole dimension inside the parallel loop
};
RowLoop schedule_stage(lower::Kernel& kernel, size_t index, bool parallel);

// Lanes for an innermost loop of this extent: a power of two, at most a vector register of the
// widest of `types`, at most the extent.
int vector_lanes(const Target& target, const std::vector<Halide::Type>& types, int64_t extent);

}  // namespace ag::schedule
