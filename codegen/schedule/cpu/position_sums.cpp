#include "codegen/schedule/cpu/position_sums.h"

#include <algorithm>

#include "codegen/schedule/cpu/loops.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

// Rows that are summed side by side, so that no addition waits for the one before.
int rows_together(int rows) {
  constexpr int kMost = 8;
  int together = std::min(rows, kMost);
  while (rows % together != 0) --together;
  return together;
}

// The sums of single rows, stored: one vector of channels after the other.
void schedule_rows(Func rows, Func sum, const RVar& along, const Anchor& anchor, int tile_k,
                   int task_rows) {
  const Var channel = rows.args()[0], image = rows.args()[1], row = rows.args()[2];
  const Var panel("panel"), block("block"), lane("lane"), share("share"), group("group"),
      member("member"), task("task");
  const int height = static_cast<int>(anchor.extent(2)), width = static_cast<int>(anchor.block);
  const int of_task = task_rows > 0 ? std::min(task_rows, height) : height;
  const int together = rows_together(of_task);
  rows.compute_root()
      .split(channel, block, lane, width, TailStrategy::RoundUp)
      .split(block, panel, block, tile_k, TailStrategy::RoundUp)
      .split(row, share, row, of_task, TailStrategy::RoundUp)
      .split(row, group, member, together, TailStrategy::RoundUp)
      .reorder({lane, member, group, block, share, panel, image})
      .vectorize(lane)
      .unroll(member);
  if (task_rows > 0) {
    const Var panels("panels");
    rows.fuse(panel, image, panels).fuse(share, panels, task).parallel(task);
  }
  sum.compute_at(rows, group).store_in(Halide::MemoryType::Stack);
  sum.reorder_storage(channel, row, image).vectorize(channel, width).unroll(row);
  sum.update().reorder({channel, row, along}).vectorize(channel, width).unroll(row);
}

// The sum of the sums of rows.
void schedule_total(Func total, const RVar& row, const lower::Kernel& kernel, int64_t channels) {
  const Var channel = total.args()[0], vector("vector"), lane("lane");
  const int lanes = vector_lanes(kernel.target, total.types(), channels);
  total.compute_root().split(channel, vector, lane, lanes, TailStrategy::RoundUp).vectorize(lane);
  total.update()
      .split(channel, vector, lane, lanes, TailStrategy::RoundUp)
      .reorder({lane, row, vector})
      .vectorize(lane);
}

}  // namespace

void schedule_position_sums(lower::Kernel& kernel, const Anchor& anchor, int tile_k,
                            int task_rows) {
  if (kernel.reductions.empty()) return;
  if (task_rows > 0 && task_rows < anchor.extent(2))
    require_divides("sums of positions", "task_rows", task_rows, anchor.extent(2));
  for (size_t i = 1; i < kernel.stages.size(); ++i) schedule_stage(kernel, i, false);
  for (lower::Reduction& sum : kernel.reductions) {
    const RVar along = sum.variables[0], row = sum.variables[1];
    Func partial = sum.func.update().rfactor(row, Var("row"));
    Func rows = partial.in();
    schedule_rows(rows, partial, along, anchor, tile_k, task_rows);
    schedule_total(sum.func, row, kernel, kernel.result_type(0).shape[1]);
    if (task_rows > 0) kernel.joined_tasks = {anchor.stage.name(), rows.name()};
  }
}

}  // namespace ag::schedule
