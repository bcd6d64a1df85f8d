// Reductions, with whatever is elementwise before and behind them.
//
// A reduction whose result is indexed like the rows of the kernel's result (softmax: maximum, sum)
// stays in its block: `rows` rows a block, `row_threads` threads each, which first add up and then
// walk the row together. Others become kernels of their own (reduce_at_root): `columns`
// neighbouring results a block, each by `threads` threads; a long sum is shared by `parts` blocks,
// whose results are added in a second kernel. The partition depends on shapes alone.
//
// Parameters: columns, threads, parts, by_rows, lanes (BlockReduction); rows, row_threads: 0 where
// no reduction is of rows; row_lanes; element_threads: of a block of the kernels over single
// elements.

#include <fmt/format.h>

#include <algorithm>

#include "codegen/schedule/cuda/grid.h"
#include "codegen/schedule/cuda/templates.h"
#include "codegen/schedule/results.h"
#include "ir/diagnostics.h"

namespace ag::schedule::cuda {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

bool is_per_row(const lower::Kernel& kernel, const lower::Reduction& reduction) {
  const Node& node = kernel.body.node(reduction.nodes[0]);
  const Shape& kept = node.types[0].shape;
  const Shape& result = kernel.result_type(0).shape;
  const int last = kernel.body.type(node.operands[0]).rank() - 1;
  const bool sums_one_axis =
      node.operands.size() == 1 && reduction.axes.size() == 1 && reduction.axes[0] == last;
  return sums_one_axis && result.size() == kept.size() + 1 &&
         std::equal(kept.begin(), kept.end(), result.begin());
}

// The threads of a row as loops of a block, with those over `row` outside.
void spread_threads(Func stage, const Var& turn, const Var& thread, const Var& row,
                    const Var& block, bool lanes) {
  if (!lanes) {
    stage.reorder(turn, thread, row, block).gpu_blocks(block).gpu_threads(thread, row);
    return;
  }
  const Var warp("warp"), lane("lane");
  stage.split(thread, warp, lane, kWarp).reorder(turn, lane, warp, row, block);
  stage.gpu_blocks(block).gpu_threads(warp, row).gpu_lanes(lane);
}

// Blocks of rows, whose threads walk along them together; returns the loop over blocks.
Var spread_rows(lower::Kernel& kernel, const BlockReduction& shape) {
  const int rows = shape.columns, threads = shape.threads;
  Func stage = kernel.stages[0];
  const std::vector<int> extents = kernel.physical_extents(0);
  const Var turn("turn"), thread("thread"), row("row");
  Var block("block");
  stage.split(lower::Kernel::physical(0), turn, thread, threads, TailStrategy::GuardWithIf);
  stage.split(lower::Kernel::physical(1), block, row, rows, TailStrategy::GuardWithIf);
  for (size_t d = 0; d < extents.size(); ++d) {
    const Var dimension = lower::Kernel::physical(static_cast<int>(d));
    stage.bound(dimension, 0, extents[d]);
    if (d < 2) continue;
    const Var fused("block" + std::to_string(d));
    stage.fuse(block, dimension, fused);
    block = fused;
  }
  spread_threads(stage, turn, thread, row, block, shape.lanes);
  if (kernel.fresh.defined()) kernel.fresh.compute_at(stage, turn);
  return block;
}

void require_full_lanes(const lower::Reduction& reduction, const BlockReduction& shape) {
  if (!shape.lanes || reduction.terms > shape.threads) return;
  throw CompileError(fmt::format("schedule: {} threads in warps' lanes for rows of {}",
                                 shape.threads, reduction.terms));
}

}  // namespace

void reduction(lower::Kernel& kernel, const Schedule& schedule) {
  const BlockReduction shape{value(schedule, "columns"), value(schedule, "threads"),
                             value(schedule, "parts"), value(schedule, "by_rows") != 0,
                             value(schedule, "lanes") != 0};
  const int threads = value(schedule, "element_threads"), rows = value(schedule, "rows");
  join_results(kernel);
  std::vector<lower::Reduction> at_root;
  if (rows == 0) {
    for (size_t i = 0; i < kernel.stages.size(); ++i) spread_stage(kernel, i, threads, 1);
    return schedule_roots(kernel, threads, shape);
  }
  const BlockReduction of_rows{rows, value(schedule, "row_threads"), 1, true,
                               value(schedule, "row_lanes") != 0};
  const Var block = spread_rows(kernel, of_rows);
  for (lower::Reduction& item : kernel.reductions) {
    if (is_per_row(kernel, item)) {
      require_full_lanes(item, of_rows);
      reduce_in_block(kernel.stages[0], block, item.func, item.variables[0], of_rows);
    } else {
      at_root.push_back(item);
    }
  }
  kernel.reductions = std::move(at_root);
  schedule_roots(kernel, threads, shape);
}

}  // namespace ag::schedule::cuda
