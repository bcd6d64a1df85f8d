// Loops over a grid of blocks of threads: what the CUDA templates share.
#pragma once

#include <string>
#include <vector>

#include "codegen/lower/kernel.h"
#include "codegen/schedule/cuda/rules.h"

namespace ag::schedule {

// One thread for each element: all `variables` (innermost first) become one loop, in blocks of
// `threads`. `inside` are loops of the stage that each thread runs. Returns the loop over threads.
template <class Stage>
Halide::Var spread_elements(Stage stage, const std::vector<Halide::Var>& variables, int threads,
                            const std::vector<Halide::VarOrRVar>& inside = {}) {
  const Halide::Var block("block"), thread("thread");
  if (variables.empty()) {
    stage.gpu_single_thread();
    return thread;
  }
  Halide::Var element = variables[0];
  for (size_t d = 1; d < variables.size(); ++d) {
    const Halide::Var fused("element" + std::to_string(d));
    stage.fuse(element, variables[d], fused);
    element = fused;
  }
  stage.split(element, block, thread, threads, Halide::TailStrategy::GuardWithIf);
  std::vector<Halide::VarOrRVar> order = inside;
  order.insert(order.end(), {thread, block});
  stage.reorder(order).gpu_blocks(block).gpu_threads(thread);
  return thread;
}

// Fixes the extents of a kernel's stage, and spreads its elements, `vector` neighbours a thread.
// Returns the loop over threads.
Halide::Var spread_stage(lower::Kernel& kernel, size_t stage, int threads, int vector);

// Computes a sum at the root, each element by one thread alone.
void sum_by_threads(Halide::Func func, int threads);

// How a block adds up.
struct BlockReduction {
  int columns = 1;       // neighbouring results of one block
  int threads = 64;      // that add up each of them; 1: each of `columns` threads makes one result
  int parts = 1;         // blocks that share the elements of a result
  bool by_rows = false;  // neighbouring threads read along the reduced axis, not along the results
  // Neighbouring threads are the lanes of warps, whose sums are added by shuffles. Wants by_rows,
  // whole warps, and more terms than threads: where a lane may have none, Halide tests for it
  // around the shuffles, and lanes do not come to them. OpenCL has none.
  bool lanes = false;
};

// Computes `func` at the loop over blocks of `consumer`, whose first argument is that of `func`:
// every thread adds up each threads-th element of `over`. With lanes, those of a warp add their
// sums in five steps without shared memory or barriers, else √threads threads a share of all; then
// one thread a column adds the rest. Where it has lanes, so have all loops over more threads of the
// block (gpu_lanes), of 32 each.
void reduce_in_block(const Halide::Func& consumer, const Halide::Var& block, Halide::Func func,
                     const Halide::RVar& over, const BlockReduction& shape);

// Computes a reduction in kernels of its own: a copy in global memory takes its place. `extent` is
// the number of elements of one result, `variables` the loops over them, innermost first.
void reduce_at_root(Halide::Func func, const std::vector<Halide::RVar>& variables, int64_t extent,
                    BlockReduction shape);

// Schedules every reduction and contraction of the kernel at the root, each on its own.
void schedule_roots(lower::Kernel& kernel, int threads, const BlockReduction& shape);

}  // namespace ag::schedule
