// Matrix product with a row-major result.
//
// A tile of tile_m rows by tile_n vectors of columns stays in registers while the whole depth is
// summed: the left operand is broadcast, the right one read in vectors. Columns are the outer loop,
// so that a panel of the right operand stays in cache for all rows; with pack, the panel is copied
// first, which a right operand that is stored by columns needs. With pack_left, each product of a
// batch copies its left operand first, in the long rows that it lies in: a transposed one is read a
// few elements of each row at a time otherwise. With rows_outside a task's rows are the outer loop,
// so that they stay in cache for all panels, and what the epilogue reads and writes is read and
// written in long rows.
//
// Parameters: tile_m, tile_n, lanes; pack, pack_left (0 or 1); unroll_epilogue (0 or 1);
// rows_outside (0 or 1); task_rows: rows of a parallel task, 0: everything on one thread.

#include <fmt/format.h>

#include <algorithm>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "codegen/schedule/cpu/loops.h"
#include "codegen/schedule/cpu/product_tile.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "matmul";

struct Parameters {
  int tile_m, tile_n, lanes, task_rows;
  bool pack, pack_left, rows_outside, unroll_epilogue;

  explicit Parameters(const Schedule& schedule)
      : tile_m(value(schedule, "tile_m")),
        tile_n(value(schedule, "tile_n")),
        lanes(value(schedule, "lanes")),
        task_rows(value(schedule, "task_rows")),
        pack(value(schedule, "pack") != 0),
        pack_left(value(schedule, "pack_left") != 0),
        rows_outside(value(schedule, "rows_outside") != 0),
        unroll_epilogue(value(schedule, "unroll_epilogue") != 0) {}
};

void check(const lower::Kernel& kernel, const Anchor& anchor, const Parameters& p) {
  const int column = anchor.rank - 1;
  if (anchor.lane_axis != column || anchor.block != 0) {
    throw CompileError(fmt::format("schedule: {}: result {} is not stored by rows", kName,
                                   to_string(kernel.result_type(0))))
        .help("schedule this kernel with contraction_plain");
  }
  const int64_t rows = anchor.extent(column - 1), columns = anchor.extent(column);
  const bool exact = kernel.overwrites_operand();
  const int64_t width = static_cast<int64_t>(p.tile_n) * p.lanes;
  if (p.tile_n < 1 || p.lanes < 1 || width > columns || (exact && columns % width != 0)) {
    require_divides(kName, "tile_n * lanes", width, columns);
  }
  if (p.tile_m < 1 || p.tile_m > rows || (exact && rows % p.tile_m != 0)) {
    require_divides(kName, "tile_m", p.tile_m, rows);
  }
  if (p.task_rows > 0) require_divides(kName, "tile_m", p.tile_m, p.task_rows);
  if (p.pack_left && anchor.rank < 3) {
    throw CompileError(fmt::format("schedule: {}: pack_left wants a batch of products, not {}",
                                   kName, to_string(kernel.result_type(0))))
        .help("leave pack_left 0");
  }
}

// The loops of the result outside a register tile.
struct Tiles {
  Var m_out{"m_out"}, n_out{"n_out"};
  Var product{"product"};  // the loop around one product of the batch, or several
};

Tiles schedule_tiles(Anchor& anchor, const Parameters& p) {
  Tiles tiles;
  Func& stage = anchor.stage;
  const Var column = anchor.loop(anchor.rank - 1), row = anchor.loop(anchor.rank - 2);
  const Var n_in("n_in"), vector("vector"), lane("lane"), m_in("m_in"), rows("rows");
  stage.split(column, tiles.n_out, n_in, p.tile_n * p.lanes, TailStrategy::ShiftInwards);
  stage.split(n_in, vector, lane, p.lanes);
  stage.split(row, tiles.m_out, m_in, p.tile_m, TailStrategy::ShiftInwards);
  std::vector<VarOrRVar> order{lane, vector, m_in, tiles.m_out};
  std::vector<Var> inner, outer;
  const bool cut =
      p.task_rows > 0 && !p.pack && !p.pack_left && p.task_rows < anchor.extent(anchor.rank - 2);
  if (cut) {
    stage.split(tiles.m_out, rows, tiles.m_out, p.task_rows / p.tile_m, TailStrategy::GuardWithIf);
    outer.push_back(rows);
  }
  const bool columns_inside = p.pack_left || (cut && p.rows_outside);
  (columns_inside ? inner : outer).push_back(tiles.n_out);
  order.insert(order.end(), inner.begin(), inner.end());
  order.insert(order.end(), outer.begin(), outer.end());
  for (int axis = anchor.rank - 3; axis >= 0; --axis) {
    order.push_back(anchor.loop(axis));
    outer.push_back(anchor.loop(axis));
  }
  if (anchor.rank > 2) tiles.product = anchor.loop(anchor.rank - 3);
  stage.reorder(order).vectorize(lane);
  if (p.unroll_epilogue) stage.unroll(vector).unroll(m_in);
  if (p.task_rows > 0) {
    Var task = outer.back();
    for (size_t i = outer.size() - 1; i-- > 0;) {
      const Var fused("task" + std::to_string(i));
      stage.fuse(outer[i], task, fused);
      if (outer[i].name() == tiles.n_out.name()) tiles.n_out = fused;
      task = fused;
    }
    if (outer.size() == 1) tiles.n_out = task;
    stage.parallel(task);
    if (p.pack_left) tiles.product = task;
  }
  return tiles;
}

// Copies the left operand of one product, vectors along its rows in memory.
void schedule_left(lower::Kernel& kernel, const Anchor& anchor, const Tiles& tiles) {
  const Node& node = kernel.body.node(anchor.contraction.node);
  const Value left = node.operands[0];
  Func copy = kernel.values[left.node][left.result].in(anchor.contraction.func);
  const Var along = copy.args()[0], row = copy.args()[1], vector("vector"), lane("lane");
  const Shape& shape = kernel.body.type(left).shape;
  const int lanes = vector_lanes(kernel.target, copy.types(), shape.back());
  copy.compute_at(anchor.stage, tiles.product)
      .bound_extent(along, static_cast<int>(shape.back()))
      .bound_extent(row, static_cast<int>(shape[shape.size() - 2]))
      .align_storage(along, lanes)
      .split(along, vector, lane, lanes, TailStrategy::ShiftInwards)
      .vectorize(lane);
}

}  // namespace

void matmul(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName);
  const Parameters parameters(schedule);
  check(kernel, anchor, parameters);
  const Tiles tiles = schedule_tiles(anchor, parameters);
  schedule_product_tile(anchor.contraction,
                        {parameters.tile_m, parameters.tile_n, parameters.lanes}, anchor.stage,
                        tiles.m_out);
  if (parameters.pack_left) schedule_left(kernel, anchor, tiles);
  if (parameters.pack)
    schedule_panel(kernel, anchor.contraction, parameters.lanes, anchor.stage, tiles.n_out);
}

}  // namespace ag::schedule
