// A 1x1 convolution that computes its own input (norm and activation in front of it).
//
// The input of some rows of an image is computed for all channels, stored in blocks, and stays in
// the second-level cache while every panel of output channels reads it; a stored input would be
// written and read once more. Tiles as in conv_direct: tile_x × tile_y positions by tile_k blocks
// of output channels in registers.
//
// Parameters: tile_x, tile_y, tile_k; rows: of an image whose input is computed at a time; band:
// rows that are cut into these, the last ones being the rest where they do not divide;
// unroll_epilogue (0 or 1); parallel (0 or 1): over rows and images.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "conv_prologue";

struct Parameters {
  int tile_x, tile_y, tile_k, band, rows;
  bool unroll_epilogue, parallel;

  explicit Parameters(const Schedule& schedule)
      : tile_x(value(schedule, "tile_x")),
        tile_y(value(schedule, "tile_y")),
        tile_k(value(schedule, "tile_k")),
        band(value(schedule, "band")),
        rows(value(schedule, "rows")),
        unroll_epilogue(value(schedule, "unroll_epilogue") != 0),
        parallel(value(schedule, "parallel") != 0) {}
};

void check(const lower::Kernel& kernel, const Anchor& anchor, const Parameters& p) {
  const bool fits = anchor.contraction.prologue.defined() && anchor.block != 0 &&
                    anchor.rank == 4 && anchor.channel_block != 0;
  if (!fits) {
    throw CompileError(fmt::format("schedule: {}: wants a 1x1 convolution of a computed input into "
                                   "blocks of channels; result {} is not one",
                                   kName, to_string(kernel.result_type(0))))
        .help("schedule this kernel with contraction_plain");
  }
  require_divides(kName, "tile_k", p.tile_k, anchor.extent(anchor.lane_axis));
  require_divides(kName, "band", p.band, anchor.extent(2));
  if (p.rows < 1 || p.rows > p.band) require_divides(kName, "rows", p.rows, p.band);
  require_divides(kName, "tile_y", p.tile_y, p.rows);
  require_divides(kName, "tile_y", p.tile_y, p.band);
  const bool once = kernel.overwrites_operand();
  const int64_t width = anchor.extent(3);
  if (once || p.tile_x < 1 || p.tile_x > width) require_divides(kName, "tile_x", p.tile_x, width);
}

struct Loops {
  Var tile;  // the innermost loop over tiles
  Var rows;  // the loop over rows that are computed together
};

Loops schedule_tiles(Anchor& anchor, const Parameters& p) {
  Func& stage = anchor.stage;
  const Var lane = lower::Kernel::physical(0), x = anchor.loop(3), y = anchor.loop(2);
  const Var x_in("x_in"), x_out("x_out"), y_in("y_in"), y_out("y_out"), rows("rows"), band("band");
  stage.split(x, x_out, x_in, p.tile_x, TailStrategy::ShiftInwards);
  const TailStrategy rest = p.band % p.rows == 0 ? TailStrategy::Auto : TailStrategy::GuardWithIf;
  stage.split(y, band, rows, p.band).split(rows, rows, y_out, p.rows, rest);
  stage.split(y_out, y_out, y_in, p.tile_y);
  std::vector<VarOrRVar> order{lane};
  std::vector<Var> unrolled{x_in, y_in};
  const bool has_channels = anchor.dimension_of_axis[anchor.lane_axis] != 0;
  const Var k_in("k_in"), k_out("k_out");
  if (has_channels) {
    stage.split(anchor.loop(anchor.lane_axis), k_out, k_in, p.tile_k);
    order.push_back(k_in);
    unrolled.push_back(k_in);
  }
  order.insert(order.end(), {x_in, y_in, x_out, y_out});
  if (has_channels) order.push_back(k_out);
  const Var image = anchor.loop(0);
  order.insert(order.end(), {rows, band, image});
  stage.reorder(order).vectorize(lane);
  if (p.unroll_epilogue) {
    for (const Var& variable : unrolled) stage.unroll(variable);
  }
  if (!p.parallel) return {x_out, rows};
  const Var task("task");
  stage.fuse(rows, band, band).fuse(band, image, task).parallel(task);
  return {x_out, task};
}

// The sum of a tile in registers.
void schedule_tile(Anchor& anchor, const Var& at) {
  Func& sum = anchor.contraction.func;
  const Var channel = anchor.logical(anchor.lane_axis), block("block"), lane("lane");
  const int width = static_cast<int>(anchor.block);
  const std::vector<Var> positions{anchor.logical(3), anchor.logical(2), anchor.logical(0)};
  std::vector<Var> storage{channel};
  storage.insert(storage.end(), positions.begin(), positions.end());
  sum.compute_at(anchor.stage, at).store_in(Halide::MemoryType::Stack).reorder_storage(storage);

  std::vector<VarOrRVar> order{lane, block};
  order.insert(order.end(), positions.begin(), positions.end());
  sum.split(channel, block, lane, width).reorder(order).vectorize(lane).unroll(block);
  const RVar blocks("channel_blocks"), within("channel");
  Halide::Stage update = sum.update();
  update.split(channel, block, lane, width)
      .split(anchor.contraction.channel, blocks, within, static_cast<int>(anchor.channel_block));
  order.push_back(within);
  for (const RVar& tap : anchor.contraction.taps) order.push_back(tap);
  order.push_back(blocks);
  update.reorder(order).vectorize(lane).unroll(block);
  for (const Var& position : positions) {
    sum.unroll(position);
    update.unroll(position);
  }
}

}  // namespace

void conv_prologue(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName);
  const Parameters parameters(schedule);
  check(kernel, anchor, parameters);
  const Loops loops = schedule_tiles(anchor, parameters);
  schedule_tile(anchor, loops.tile);
  Func prologue = anchor.contraction.prologue;
  const std::vector<Var> variables = prologue.args();
  prologue.compute_at(anchor.stage, loops.rows)
      .bound_extent(variables[1], static_cast<int>(anchor.extent(3)))
      .bound_storage(variables[2], parameters.rows)
      .vectorize(variables[0], static_cast<int>(anchor.contraction.prologue_block));
}

}  // namespace ag::schedule
