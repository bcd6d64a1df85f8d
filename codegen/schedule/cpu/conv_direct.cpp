// Direct convolution into a channel-blocked result: forward, backward-data, 1x1, depthwise.
//
// A tile of tile_x × tile_y positions by tile_k blocks of output channels stays in registers while
// all input channels and taps are summed; inputs are broadcast, weights are vectors. The loops
// outside are positions, then output channels (so that a panel of weights stays in cache), then
// images. With the innermost taps unrolled, neighbouring positions share broadcasts: 16 positions
// of a 3-wide window read 18 inputs instead of 48.
//
// A dilated lhs (backward-data of a strided convolution) leaves most taps of a position without an
// element. With phase = dilation, rows of equal phase get code of their own in which all taps are
// unrolled, so that those that meet no element vanish.
//
// Parameters: tile_x, tile_y, tile_k; unroll_taps: 0 none, 1 the innermost axis, 2 all;
// phase: rows of different phase, 1 none; unroll_epilogue (0 or 1); task_rows: rows of a parallel
// task, 0: everything on one thread.

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "ir/ops/conv.h"

namespace ag::schedule {
namespace {

using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "conv_direct";

struct Parameters {
  int tile_x, tile_y, tile_k, unroll_taps, phase, task_rows;
  bool unroll_epilogue;

  explicit Parameters(const Schedule& schedule)
      : tile_x(value(schedule, "tile_x")),
        tile_y(value(schedule, "tile_y")),
        tile_k(value(schedule, "tile_k")),
        unroll_taps(value(schedule, "unroll_taps")),
        phase(value(schedule, "phase")),
        task_rows(value(schedule, "task_rows")),
        unroll_epilogue(value(schedule, "unroll_epilogue") != 0) {}

  static int value(const Schedule& schedule, std::string_view name) {
    return static_cast<int>(schedule.at(name));
  }
};

bool is_in_place(const lower::Kernel& kernel) {
  for (int64_t operand : kernel.in_place) {
    if (operand >= 0) return true;
  }
  return false;
}

// Results overwritten in place must be computed once only; else a last tile may overlap the one
// before.
void check(const lower::Kernel& kernel, const Anchor& anchor, const Parameters& p) {
  if (anchor.block == 0 || anchor.rank < 3) {
    throw CompileError(fmt::format("schedule: {}: result {} has no block of channels and positions",
                                   kName, to_string(kernel.result_type(0))))
        .help("schedule this kernel with contraction_plain");
  }
  require_divides(kName, "tile_k", p.tile_k, anchor.extent(anchor.lane_axis));
  const int64_t width = anchor.extent(anchor.rank - 1);
  const int64_t height = anchor.rank > 3 ? anchor.extent(anchor.rank - 2) : 1;
  const bool once = is_in_place(kernel);
  for (auto [name, tile, extent] :
       {std::tuple{"tile_x", p.tile_x, width}, std::tuple{"tile_y", p.tile_y, height},
        std::tuple{"task_rows", std::max(p.task_rows, 1), height}}) {
    if (once || tile < 1 || tile > extent) require_divides(kName, name, tile, extent);
  }
  if (p.task_rows > 0) require_divides(kName, "tile_y", p.tile_y * p.phase, p.task_rows);
  if (p.phase == 1) return;
  // Tiles must start at positions of phase 0.
  require_divides(kName, "tile_x", p.tile_x, width);
  if (p.tile_x < width) require_divides(kName, "phase", p.phase, p.tile_x);
  if (p.tile_y != 1) require_divides(kName, "tile_y", p.tile_y, 1);
}

// The register tile: the contraction at the innermost loop over tiles.
void schedule_tile(Anchor& anchor, const Parameters& p, const Var& tile_loop) {
  const Var channel = anchor.logical(anchor.lane_axis);
  const Var block("block"), lane("lane");
  const int width = static_cast<int>(anchor.block);
  std::vector<Var> positions;
  for (int axis = anchor.rank - 1; axis >= 0; --axis) {
    if (axis != anchor.lane_axis) positions.push_back(anchor.logical(axis));
  }

  // Vectors must be contiguous in the tile too, or it never becomes registers.
  std::vector<Var> storage{channel};
  storage.insert(storage.end(), positions.begin(), positions.end());
  Halide::Func& func = anchor.contraction.func;
  func.compute_at(anchor.stage, tile_loop).store_in(Halide::MemoryType::Stack);
  func.reorder_storage(storage);
  func.split(channel, block, lane, width);
  std::vector<VarOrRVar> order{lane, block};
  order.insert(order.end(), positions.begin(), positions.end());
  func.reorder(order).vectorize(lane).unroll(block);
  for (const Var& position : positions) func.unroll(position);

  Halide::Stage update = func.update();
  update.split(channel, block, lane, width);
  const std::vector<RVar>& taps = anchor.contraction.taps;
  const size_t unrolled = p.unroll_taps == 0 ? 0 : p.unroll_taps == 1 ? 1 : taps.size();
  RVar channels = anchor.contraction.channel, channel_blocks("channel_blocks");
  std::vector<VarOrRVar> loops{lane};
  for (size_t i = 0; i < unrolled; ++i) loops.push_back(taps[i]);
  loops.push_back(block);
  loops.insert(loops.end(), positions.begin(), positions.end());
  if (anchor.channel_block > 0) {
    const RVar within("channel");
    update.split(channels, channel_blocks, within, static_cast<int>(anchor.channel_block));
    channels = within;
  }
  loops.push_back(channels);
  for (size_t i = unrolled; i < taps.size(); ++i) loops.push_back(taps[i]);
  if (anchor.channel_block > 0) loops.push_back(channel_blocks);
  update.reorder(loops).vectorize(lane).unroll(block);
  for (const Var& position : positions) update.unroll(position);
  for (size_t i = 0; i < unrolled; ++i) update.unroll(taps[i]);
}

struct TileLoops {
  Var tile;  // the innermost loop over tiles
  Var task;  // the outermost loop
};

// Loops over tiles of the result.
TileLoops schedule_tiles(Anchor& anchor, const Parameters& p) {
  Halide::Func& stage = anchor.stage;
  const Var lane = lower::Kernel::physical(0);
  const Var x = anchor.loop(anchor.rank - 1), x_in("x_in"), x_out("x_out");
  const TailStrategy overlap = TailStrategy::ShiftInwards;
  stage.split(x, x_out, x_in, p.tile_x, overlap);
  std::vector<VarOrRVar> order{lane};
  std::vector<Var> unrolled{x_in};
  std::vector<Var> outer;  // candidates for the parallel loop, innermost first

  const Var channels = anchor.loop(anchor.lane_axis), k_in("k_in"), k_out("k_out");
  const bool has_channels = anchor.dimension_of_axis[anchor.lane_axis] != 0;
  if (has_channels) {
    stage.split(channels, k_out, k_in, p.tile_k);
    order.push_back(k_in);
    unrolled.push_back(k_in);
  }
  order.push_back(x_in);
  if (anchor.rank > 3) {
    const Var y = anchor.loop(anchor.rank - 2), y_in("y_in"), y_out("y_out"), rows("rows");
    stage.split(y, y_out, y_in, p.tile_y * p.phase,
                p.phase > 1 ? TailStrategy::GuardWithIf : overlap);
    if (p.phase > 1) {
      const Var phase("phase");
      stage.split(y_in, phase, y_in, p.tile_y);
      order.insert(order.end(), {y_in, x_out, phase, y_out});
      stage.unroll(phase);
    } else {
      order.insert(order.end(), {y_in, x_out, y_out});
    }
    unrolled.push_back(y_in);
    if (p.task_rows > 0 && p.task_rows < anchor.extent(anchor.rank - 2)) {
      stage.split(y_out, rows, y_out, p.task_rows / (p.tile_y * p.phase));
      order.push_back(rows);
      outer.push_back(rows);
    }
    for (int axis = anchor.rank - 3; axis >= 2; --axis) {
      order.push_back(anchor.loop(axis));
      outer.push_back(anchor.loop(axis));
    }
  } else {
    order.push_back(x_out);
  }
  if (has_channels) {
    order.push_back(k_out);
    outer.push_back(k_out);
  }
  const Var images = anchor.loop(1 - anchor.lane_axis);
  order.push_back(images);
  outer.push_back(images);
  stage.reorder(order).vectorize(lane);
  if (p.unroll_epilogue) {
    for (const Var& variable : unrolled) stage.unroll(variable);
  }
  Var task = outer.back();
  if (p.task_rows > 0) {
    for (size_t i = outer.size() - 1; i-- > 0;) {
      const Var fused("task" + std::to_string(i));
      stage.fuse(outer[i], task, fused);
      task = fused;
    }
    stage.parallel(task);
  }
  return {x_out, task};
}

}  // namespace

void conv_direct(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName);
  const Parameters parameters(schedule);
  check(kernel, anchor, parameters);
  const TileLoops loops = schedule_tiles(anchor, parameters);
  schedule_tile(anchor, parameters, loops.tile);
  schedule_padded(kernel, anchor.contraction, anchor.stage, loops.task);
}

}  // namespace ag::schedule
