// Matrix product with a row-major result, whose depth is so large that the operands' columns for
// one tile do not stay in cache: a gradient towards weights, summed over every token of a batch.
//
// The depth is cut into blocks. For one block after the other, tiles of tile_m rows by tile_n
// vectors of columns are summed in registers and added to the task's part of the result, which
// waits in cache; so the block's part of both operands is read from afar once a task. That of the
// left one is copied first: as it lies, its rows are so far apart that few of them fit the
// first-level cache. Results, with what follows, are stored behind the last block. Tiles divide
// rows and columns.
//
// Parameters: tile_m, tile_n, lanes; depth: of a block; task_rows, task_columns: of a task;
// parallel (0 or 1): over the tasks.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "codegen/schedule/cpu/loops.h"
#include "ir/ops/contract.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "matmul_deep";

struct Parameters {
  int tile_m, tile_n, lanes, depth, task_rows, task_columns;
  bool parallel;

  explicit Parameters(const Schedule& schedule)
      : tile_m(value(schedule, "tile_m")),
        tile_n(value(schedule, "tile_n")),
        lanes(value(schedule, "lanes")),
        depth(value(schedule, "depth")),
        task_rows(value(schedule, "task_rows")),
        task_columns(value(schedule, "task_columns")),
        parallel(value(schedule, "parallel") != 0) {}
};

void check(const lower::Kernel& kernel, const Anchor& anchor, const Parameters& p) {
  if (anchor.rank != 2 || anchor.lane_axis != 1 || anchor.block != 0) {
    throw CompileError(fmt::format("schedule: {}: result {} is not one matrix stored by rows",
                                   kName, to_string(kernel.result_type(0))))
        .help("schedule this kernel with matmul or contraction_plain");
  }
  const Node& product = kernel.body.node(anchor.contraction.node);
  if (!product.is(ops::matmul) || !product.attributes.flag("transpose_a")) {
    throw CompileError(fmt::format("schedule: {} wants a transposed left operand", kName))
        .help("schedule this kernel with matmul");
  }
  require_divides(kName, "task_rows", p.task_rows, anchor.extent(0));
  require_divides(kName, "tile_m", p.tile_m, p.task_rows);
  require_divides(kName, "task_columns", p.task_columns, anchor.extent(1));
  require_divides(kName, "tile_n * lanes", static_cast<int64_t>(p.tile_n) * p.lanes,
                  p.task_columns);
  require_divides(kName, "depth", p.depth, anchor.contraction.channels);
}

// Stores rows of vectors; returns the loop over tasks.
Var schedule_stage(const lower::Kernel& kernel, Anchor& anchor, const Parameters& p) {
  const Var vector("vector"), lane("lane"), row("row"), rows("rows"), column("column"),
      columns("columns"), task("task");
  anchor.stage.split(anchor.loop(1), columns, column, p.task_columns)
      .split(column, vector, lane, p.lanes)
      .split(anchor.loop(0), rows, row, p.task_rows)
      .reorder(lane, vector, row, columns, rows)
      .fuse(columns, rows, task)
      .vectorize(lane);
  if (kernel.fresh.defined()) {
    Func fresh = kernel.fresh;
    fresh.compute_at(anchor.stage, vector).vectorize(anchor.loop(1));
  }
  if (p.parallel) anchor.stage.parallel(task);
  return task;
}

// One register tile: zero, then the sum over a block.
void schedule_tile(Func& tile, const Func& sum, const Var& at, const Var& column,
                   const RVar& within, const Parameters& p) {
  const Var vector("vector"), lane("lane");
  std::vector<VarOrRVar> order{lane, vector};
  std::vector<Var> unrolled{vector};
  for (const Var& variable : tile.args()) {
    if (variable.name() == column.name()) continue;
    order.push_back(variable);
    unrolled.push_back(variable);
  }
  tile.compute_at(sum, at).store_in(Halide::MemoryType::Stack);
  tile.split(column, vector, lane, p.lanes).reorder(order).vectorize(lane);
  order.push_back(within);
  Halide::Stage update = tile.update();
  update.split(column, vector, lane, p.lanes).reorder(order).vectorize(lane);
  for (const Var& variable : unrolled) {
    tile.unroll(variable);
    update.unroll(variable);
  }
}

// Copies the block's part of the left operand, whose rows in memory are its columns, for the rows
// of a task.
void schedule_pack(lower::Kernel& kernel, const Anchor& anchor, const Func& tile, const Func& sum,
                   const RVar& at, const Parameters& p) {
  const Value left = kernel.body.node(anchor.contraction.node).operands[0];
  Func part = kernel.values[left.node][left.result].in(tile);
  const Var row = part.args()[0], vector("vector"), lane("lane");
  const int lanes = vector_lanes(kernel.target, part.types(), p.task_rows);
  part.compute_at(sum, at)
      .split(row, vector, lane, lanes, Halide::TailStrategy::ShiftInwards)
      .vectorize(lane);
}

// sum += tile, block after block.
void schedule_sum(lower::Kernel& kernel, Anchor& anchor, const Parameters& p, const Var& at) {
  Func& sum = anchor.contraction.func;
  const Var column = anchor.logical(1), row = anchor.logical(0);
  const Var vector("vector"), lane("lane"), n_in("n_in"), n_out("n_out"), m_in("m_in"),
      m_out("m_out"), of_block("of_block");
  const RVar block("depth_block"), within("depth_in");
  sum.compute_at(anchor.stage, at)
      .bound_extent(row, p.task_rows)
      .bound_extent(column, p.task_columns)
      .split(column, vector, lane, p.lanes)
      .vectorize(lane);
  sum.update().split(anchor.contraction.channel, block, within, p.depth);
  Func tile = sum.update().rfactor(block, of_block);
  sum.update()
      .split(column, n_out, n_in, p.tile_n * p.lanes)
      .split(n_in, vector, lane, p.lanes)
      .split(row, m_out, m_in, p.tile_m)
      .reorder({lane, vector, m_in, m_out, n_out, block})
      .vectorize(lane)
      .unroll(vector)
      .unroll(m_in);
  schedule_tile(tile, sum, m_out, column, within, p);
  schedule_pack(kernel, anchor, tile, sum, block, p);
}

}  // namespace

void matmul_deep(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName);
  const Parameters parameters(schedule);
  check(kernel, anchor, parameters);
  schedule_sum(kernel, anchor, parameters, schedule_stage(kernel, anchor, parameters));
}

}  // namespace ag::schedule
