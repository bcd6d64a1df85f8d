// Matrix product of few rows by a right operand whose depth is innermost: a linear layer of one
// sample, which takes as long as its weights take to arrive.
//
// A tile of tile_n columns, which are rows of the stored operand, is summed along the depth for all
// rows of the result at once: vectors along the depth, one accumulator per element of the tile, and
// at the end one sum across the lanes. Every element of the right operand is read once, in order,
// and nothing is packed. The lanes' partial sums do not depend on the tile or the task, so that
// results do not depend on the number of threads.
//
// Parameters: tile_n; lanes: of the vectors along the depth; unroll: vectors of one turn of the
// loop; task_tiles: tiles of a parallel task, 0: everything on one thread.

#include <algorithm>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "matvec";

struct Parameters {
  int tile_n, lanes, unroll, task_tiles;

  explicit Parameters(const Schedule& schedule)
      : tile_n(value(schedule, "tile_n")),
        lanes(value(schedule, "lanes")),
        unroll(value(schedule, "unroll")),
        task_tiles(value(schedule, "task_tiles")) {}
};

void check(const Anchor& anchor, const Parameters& p) {
  if (p.tile_n < 1 || p.tile_n > anchor.extent(anchor.rank - 1)) {
    require_divides(kName, "tile_n", p.tile_n, anchor.extent(anchor.rank - 1));
  }
  if (p.lanes < 1 || p.lanes > anchor.contraction.channels || p.unroll > 1) {
    require_divides(kName, "lanes * unroll", int64_t{p.lanes} * p.unroll,
                    anchor.contraction.channels);
  }
}

// The loops of the result; returns the one over tiles.
Var schedule_result(Anchor& anchor, const Parameters& p) {
  Func& stage = anchor.stage;
  const Var column = anchor.loop(anchor.rank - 1), row = anchor.loop(anchor.rank - 2);
  const Var tile("tile"), n_in("n_in");
  const bool whole = anchor.extent(anchor.rank - 1) % p.tile_n == 0;
  stage.split(column, tile, n_in, p.tile_n,
              whole ? TailStrategy::RoundUp : TailStrategy::GuardWithIf);
  std::vector<VarOrRVar> order{n_in, row, tile};
  for (int axis = anchor.rank - 3; axis >= 0; --axis) order.push_back(anchor.loop(axis));
  stage.reorder(order);
  if (whole) stage.vectorize(n_in);
  if (p.task_tiles == 0) return tile;
  const Var share("share");
  Var task("task");
  stage.split(tile, task, share, p.task_tiles, TailStrategy::GuardWithIf);
  for (int axis = anchor.rank - 3; axis >= 0; --axis) {
    const Var fused("task" + std::to_string(axis));
    stage.fuse(task, anchor.loop(axis), fused);
    task = fused;
  }
  stage.parallel(task);
  return share;
}

void schedule_sums(Anchor& anchor, const Parameters& p, const Var& at) {
  Func& func = anchor.contraction.func;
  const RVar vectors("vectors"), lane("lane");
  const Var partial_lane("partial_lane");
  func.update().split(anchor.contraction.channel, vectors, lane, p.lanes);
  Func partial = func.update().rfactor(lane, partial_lane);
  std::vector<VarOrRVar> order{partial_lane};
  std::vector<Var> storage{partial_lane};
  for (int axis = anchor.rank - 1; axis >= 0; --axis) {
    order.push_back(anchor.logical(axis));
    storage.push_back(anchor.logical(axis));
  }
  partial.compute_at(anchor.stage, at).store_in(Halide::MemoryType::Stack);
  partial.reorder_storage(storage).reorder(order).vectorize(partial_lane);
  order.push_back(vectors);
  Halide::Stage update = partial.update();
  update.reorder(order).vectorize(partial_lane);
  for (size_t i = 1; i < storage.size(); ++i) {
    partial.unroll(storage[i]);
    update.unroll(storage[i]);
  }
  if (p.unroll > 1) update.unroll(vectors, p.unroll);
  func.compute_at(anchor.stage, at).store_in(Halide::MemoryType::Stack);
  func.update().atomic().vectorize(lane);
}

}  // namespace

void matvec(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName);
  const Parameters parameters(schedule);
  check(anchor, parameters);
  schedule_sums(anchor, parameters, schedule_result(anchor, parameters));
}

}  // namespace ag::schedule
