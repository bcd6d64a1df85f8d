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
// Where few positions share a panel of weights, the panel comes from a far cache for most of the
// time. With passes > 1 the input channels are summed in that many passes over all positions: each
// pass reads its part of the panel once from afar and then from the first-level cache, and the sums
// of a panel wait in memory in between. Taps are outside the channels then, unrolled or not, so
// that a pass reads its weights in the order they are stored in.
//
// Where two tiles of tile_y rows are too high for the image, as 4 and 4 for 7 rows, the second has
// the rest of the rows and code of its own: 49 positions by one block of channels are two tiles
// that read 64 bytes of weights for 28 and 21 multiply-adds.
//
// Sixteen registers hold few sums, and tiles that are near to twelve rarely divide a row. A row, or
// each of its spans, then ends with a narrower tile, whose code is its own as well: 3 + 3 + 3 + 3 +
// 2 columns of 14, 3 + 2 and 2 of 7. Twelve sums of three positions by four blocks fit where a step
// keeps its inputs and loads one vector of weights after the other. The constants of a long
// epilogue would push such sums out of their registers, so the sums of a row of tiles wait in
// memory for it.
//
// Parameters: tile_x, tile_y, tile_k; unroll_taps: 0 none, 1 the innermost axis, 2 all; phase: rows
// of different phase, 1 none; passes: over the input channels; unroll_epilogue (0 or 1); prefetch:
// how many vectors ahead far weights are asked for, 0 or absent: not at all; unroll_channels: 1 for
// vectors of several narrow groups, else 0 or absent; lanes: of a vector, where a block has
// several, one for each of its groups, 0 or absent: a block is a vector; task_rows: rows of a
// parallel task, 0: everything on one thread; task_columns: tiles of a parallel task where there is
// one axis of positions, 0 or absent: all; span_x: columns that tiles and a narrower one cover, the
// last span of a row being the rest, 0 or absent: the last tile overlaps the one before;
// blocks_outside: 1 where a step loads one vector of weights after the other; rows_outside: 1 where
// all panels read a task's rows, or columns, before the next ones; tests_border: 1 where an operand
// without a halo is tested as it is read, instead of copied with zeros around; split_epilogue: 1
// where a row's sums wait in memory for the epilogue.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "codegen/schedule/cpu/position_sums.h"
#include "ir/ops/conv.h"

namespace ag::schedule {
namespace {

using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "conv_direct";

int value_or_zero(const Schedule& schedule, const std::string& parameter) {
  return schedule.values.contains(parameter) ? value(schedule, parameter) : 0;
}

struct Parameters {
  int tile_x, tile_y, tile_k, unroll_taps, phase, passes, prefetch, task_rows, task_columns;
  int span_x, lanes;
  bool unroll_epilogue, split_epilogue, unroll_channels, blocks_outside, rows_outside, tests_border;

  explicit Parameters(const Schedule& schedule)
      : tile_x(value(schedule, "tile_x")),
        tile_y(value(schedule, "tile_y")),
        tile_k(value(schedule, "tile_k")),
        unroll_taps(value(schedule, "unroll_taps")),
        phase(value(schedule, "phase")),
        passes(value(schedule, "passes")),
        prefetch(value_or_zero(schedule, "prefetch")),
        task_rows(value(schedule, "task_rows")),
        task_columns(value_or_zero(schedule, "task_columns")),
        span_x(value_or_zero(schedule, "span_x")),
        lanes(value_or_zero(schedule, "lanes")),
        unroll_epilogue(value(schedule, "unroll_epilogue") != 0),
        split_epilogue(value_or_zero(schedule, "split_epilogue") != 0),
        unroll_channels(value_or_zero(schedule, "unroll_channels") != 0),
        blocks_outside(value_or_zero(schedule, "blocks_outside") != 0),
        rows_outside(value_or_zero(schedule, "rows_outside") != 0),
        tests_border(value_or_zero(schedule, "tests_border") != 0) {}
};

// Blocks of input channels; 0 where they are not split.
int channel_blocks(const Anchor& anchor) {
  if (anchor.channel_block == 0) return 0;
  return static_cast<int>(anchor.contraction.channels / anchor.channel_block);
}

// Whether the second tile of two has fewer rows than the first.
bool has_low_tile(const Parameters& p, int64_t height) {
  return p.phase == 1 && height % p.tile_y != 0 && p.tile_y < height && height < 2 * p.tile_y;
}

// With passes, tiles are added up: none may overlap another, and a task holds whole images.
void check_passes(const Anchor& anchor, const Parameters& p, int64_t width, int64_t height) {
  if (channel_blocks(anchor) == 0) require_divides(kName, "passes", p.passes, 1);
  require_divides(kName, "passes", p.passes, channel_blocks(anchor));
  if (p.span_x == 0) require_divides(kName, "tile_x", p.tile_x, width);
  require_divides(kName, "tile_y", p.tile_y * p.phase, height);
  if (p.task_rows > 0) require_divides(kName, "height", height, p.task_rows);
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
  if (p.lanes > 0) require_divides(kName, "lanes", p.lanes, anchor.block);
  const int64_t width = anchor.extent(anchor.rank - 1);
  const int64_t height = anchor.rank > 3 ? anchor.extent(anchor.rank - 2) : 1;
  const bool once = kernel.overwrites_operand();
  if (p.span_x > 0) {
    if (p.tile_x > p.span_x || anchor.rank < 4) require_divides(kName, "span_x", p.span_x, 1);
  } else if (once || p.tile_x < 1 || p.tile_x > width) {
    require_divides(kName, "tile_x", p.tile_x, width);
  }
  if (p.tile_y < 1 || p.tile_y > height || (once && !has_low_tile(p, height))) {
    require_divides(kName, "tile_y", p.tile_y, height);
  }
  if (p.task_rows != 0) require_divides(kName, "tile_y", p.tile_y * p.phase, p.task_rows);
  if (p.passes != 1) check_passes(anchor, p, width, height);
  if (p.phase == 1) return;
  // Tiles must start at positions of phase 0.
  require_divides(kName, "tile_x", p.tile_x, width);
  if (p.tile_x < width) require_divides(kName, "phase", p.phase, p.tile_x);
  if (p.tile_y != 1) require_divides(kName, "tile_y", p.tile_y, 1);
}

// Loops over tiles of the result, whose channels are one panel at a time.
struct TileLoops {
  Var tile;   // the innermost loop over tiles
  Var panel;  // the innermost loop outside of all positions
  Var task;   // the outermost loop
};

// Halide's loops over the sum, innermost first; channel blocks only where channels are split.
struct SumLoops {
  RVar channel;
  std::vector<RVar> channel_blocks;
};

// Splits a row into spans and these into tiles, all with code of their own but equal spans.
template <class Stage>
void split_spans(Stage& stage, const Parameters& p, int64_t width, const Var& x, const Var& span,
                 const Var& x_out, const Var& x_in) {
  stage.split(x, span, x, p.span_x, TailStrategy::GuardWithIf)
      .split(x, x_out, x_in, p.tile_x, TailStrategy::GuardWithIf)
      .unroll(x_out);
  if (width % p.span_x != 0) stage.unroll(span);
}

class RegisterTile {
 public:
  RegisterTile(Anchor& anchor, const Parameters& parameters)
      : anchor_(anchor),
        p_(parameters),
        sum_(anchor.contraction.func),
        channel_(anchor.logical(anchor.lane_axis)),
        width_(parameters.lanes > 0 ? parameters.lanes : static_cast<int>(anchor.block)) {
    for (int axis = anchor.rank - 1; axis >= 0; --axis) {
      if (axis != anchor.lane_axis) positions_.push_back(anchor.logical(axis));
    }
  }

  void schedule(const TileLoops& loops) {
    const SumLoops over = split_channels();
    if (p_.passes > 1) {
      schedule_passes(loops.panel, over);
    } else if (p_.split_epilogue) {  // one pass over a row
      schedule_passes(loops.tile, over);
    } else {
      schedule_tile(sum_, anchor_.stage, loops.tile, over);
    }
  }

 private:
  SumLoops split_channels() {
    const RVar channels = anchor_.contraction.channel;
    if (anchor_.channel_block == 0) return {channels, {}};
    const RVar blocks("channel_blocks"), within("channel");
    sum_.update().split(channels, blocks, within, static_cast<int>(anchor_.channel_block));
    return {within, {blocks}};
  }

  // Vectors must be contiguous, or a tile never becomes registers.
  void store_lanes_innermost(Halide::Func& func) const {
    std::vector<Var> storage{channel_};
    for (const Var& variable : func.args()) {
      if (variable.name() != channel_.name()) storage.push_back(variable);
    }
    func.reorder_storage(storage);
  }

  // The tile in registers, at a loop of `consumer`.
  void schedule_tile(Halide::Func tile, const Halide::Func& consumer, const Var& at,
                     const SumLoops& over) const {
    const Var block("block"), lane("lane");
    std::vector<Var> positions;
    for (const Var& variable : tile.args()) {
      if (variable.name() != channel_.name()) positions.push_back(variable);
    }
    tile.compute_at(consumer, at).store_in(Halide::MemoryType::Stack);
    if (p_.span_x > 0) tile.bound_storage(positions_[0], p_.tile_x);  // a span's rest may be empty
    store_lanes_innermost(tile);
    tile.split(channel_, block, lane, width_, TailStrategy::RoundUp);
    std::vector<VarOrRVar> order{lane, block};
    order.insert(order.end(), positions.begin(), positions.end());
    tile.reorder(order).vectorize(lane).unroll(block);
    for (const Var& position : positions) tile.unroll(position);

    Halide::Stage update = tile.update();
    update.split(channel_, block, lane, width_);
    const std::vector<RVar>& taps = anchor_.contraction.taps;
    const size_t unrolled = p_.unroll_taps == 0 ? 0 : p_.unroll_taps == 1 ? 1 : taps.size();
    // Passes read far weights in one stream: tap after tap, unrolled around the loop over channels.
    const size_t inside = p_.passes > 1 ? 0 : unrolled;
    std::vector<VarOrRVar> loops{lane};
    for (size_t i = 0; i < inside; ++i) loops.push_back(taps[i]);
    if (!p_.blocks_outside) loops.push_back(block);
    loops.insert(loops.end(), positions.begin(), positions.end());
    if (p_.blocks_outside) loops.push_back(block);
    loops.push_back(over.channel);
    for (size_t i = inside; i < taps.size(); ++i) loops.push_back(taps[i]);
    loops.insert(loops.end(), over.channel_blocks.begin(), over.channel_blocks.end());
    update.reorder(loops);
    if (p_.unroll_channels) {  // the group as a loop of its own: no index keeps a division
      const Var group("group"), within("within");
      update.split(lane, group, within, static_cast<int>(anchor_.contraction.channels));
      update.vectorize(within).vectorize(group).unroll(over.channel);
    } else {
      update.vectorize(lane);
    }
    update.unroll(block);
    for (const Var& position : positions) update.unroll(position);
    for (size_t i = 0; i < unrolled; ++i) update.unroll(taps[i]);
  }

  // Sums of a panel in memory; one pass after the other adds its tiles.
  void schedule_passes(const Var& panel, const SumLoops& over) {
    const RVar pass("pass"), blocks("blocks_of_pass");
    const RVar all = over.channel_blocks[0];
    sum_.update().split(all, pass, blocks, channel_blocks(anchor_) / p_.passes);
    Halide::Func tile = sum_.update().rfactor(pass, Var("of_pass"));

    const Var block("block"), lane("lane");
    sum_.compute_at(anchor_.stage, panel).bound_extent(channel_, p_.tile_k * width_);
    store_lanes_innermost(sum_);
    sum_.split(channel_, block, lane, width_).vectorize(lane);
    Halide::Stage update = sum_.update();
    const Var x = positions_[0], x_in("x_in"), x_out("x_out"), span("span");
    update.split(channel_, block, lane, width_);
    if (p_.span_x > 0) {
      split_spans(update, p_, anchor_.extent(anchor_.rank - 1), x, span, x_out, x_in);
    } else {
      update.split(x, x_out, x_in, p_.tile_x);
    }
    std::vector<VarOrRVar> order{lane, block, x_in};
    if (anchor_.rank > 3) {
      const Var y = positions_[1], y_in("y_in"), y_out("y_out"), phase("phase");
      update.split(y, y_out, y_in, p_.tile_y * p_.phase).split(y_in, phase, y_in, p_.tile_y);
      order.insert(order.end(), {y_in, x_out});
      if (p_.span_x > 0) order.push_back(span);
      order.insert(order.end(), {phase, y_out});
    } else {
      order.push_back(x_out);
    }
    order.insert(order.end(), positions_.begin() + (anchor_.rank > 3 ? 2 : 1), positions_.end());
    order.push_back(pass);
    update.reorder(order).vectorize(lane).unroll(block).unroll(x_in);
    if (anchor_.rank > 3) update.unroll(Var("y_in")).unroll(Var("phase"));
    schedule_tile(tile, sum_, x_out, {over.channel, {blocks}});
  }

  Anchor& anchor_;
  const Parameters& p_;
  Halide::Func& sum_;
  Var channel_;
  int width_;
  std::vector<Var> positions_;
};

// Loops over tiles of the result.
TileLoops schedule_tiles(Anchor& anchor, const Parameters& p) {
  Halide::Func& stage = anchor.stage;
  const Var lane = lower::Kernel::physical(0);
  const Var x = anchor.loop(anchor.rank - 1), x_in("x_in"), x_out("x_out");
  const TailStrategy overlap = TailStrategy::ShiftInwards;
  const Var span("span");
  const int width = static_cast<int>(anchor.extent(anchor.rank - 1));
  const bool has_spans = p.span_x > 0 && !p.split_epilogue;
  if (has_spans) {
    split_spans(stage, p, width, x, span, x_out, x_in);
  } else {
    stage.split(x, x_out, x_in, p.split_epilogue ? width : p.tile_x, overlap);
  }
  std::vector<VarOrRVar> order{lane};
  std::vector<Var> unrolled{x_in};
  if (p.lanes > 0) {
    const Var vector("vector");
    stage.split(lane, vector, lane, p.lanes);
    order.push_back(vector);
    unrolled.push_back(vector);
  }
  std::vector<Var> outer;  // loops that tasks are of, innermost first

  const Var channels = anchor.loop(anchor.lane_axis), k_in("k_in"), k_out("k_out");
  const bool has_channels = anchor.dimension_of_axis[anchor.lane_axis] != 0;
  if (has_channels) {
    stage.split(channels, k_out, k_in, p.tile_k);
    order.push_back(k_in);
    unrolled.push_back(k_in);
  }
  order.insert(p.split_epilogue ? order.begin() + 1 : order.end(), x_in);
  if (anchor.rank > 3) {
    const Var y = anchor.loop(anchor.rank - 2), y_in("y_in"), y_out("y_out"), rows("rows");
    const int64_t height = anchor.extent(anchor.rank - 2);
    const bool low_tile = has_low_tile(p, height);
    stage.split(y, y_out, y_in, p.tile_y * p.phase,
                p.phase > 1 || low_tile ? TailStrategy::GuardWithIf : overlap);
    if (low_tile) stage.unroll(y_out);
    if (p.phase > 1) {
      const Var phase("phase");
      stage.split(y_in, phase, y_in, p.tile_y);
      order.insert(order.end(), {y_in, x_out, phase, y_out});
      stage.unroll(phase);
    } else if (has_spans) {
      order.insert(order.end(), {y_in, x_out, span, y_out});
    } else {
      order.insert(order.end(), {y_in, x_out, y_out});
    }
    unrolled.push_back(y_in);
    if (p.task_rows > 0 && p.task_rows < height && !low_tile) {
      stage.split(y_out, rows, y_out, p.task_rows / (p.tile_y * p.phase),
                  TailStrategy::GuardWithIf);
      outer.push_back(rows);
    }
    for (int axis = anchor.rank - 3; axis >= 2; --axis) outer.push_back(anchor.loop(axis));
  } else {
    order.push_back(x_out);
    if (p.task_columns > 0) {
      const Var columns("columns");
      stage.split(x_out, columns, x_out, p.task_columns, TailStrategy::GuardWithIf);
      outer.push_back(columns);
    }
  }
  if (has_channels) outer.insert(p.rows_outside ? outer.begin() : outer.end(), k_out);
  outer.push_back(anchor.loop(1 - anchor.lane_axis));  // images
  order.insert(order.end(), outer.begin(), outer.end());
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
  return {x_out, p.task_rows > 0 ? task : outer.front(), task};
}

}  // namespace

void conv_direct(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName, true);
  const Parameters parameters(schedule);
  kernel.reads_whole_vectors = parameters.unroll_channels;
  constexpr int kHalvesPay = 64;  // bytes: shorter vectors start no less often than their halves
  kernel.halves_padded_vectors = kernel.target.vector_bytes >= kHalvesPay;
  if (parameters.prefetch > 0) {
    kernel.prefetched = operand_name(kernel, anchor.contraction, 1);
    kernel.prefetch_vectors = parameters.prefetch;
  }
  check(kernel, anchor, parameters);
  const TileLoops loops = schedule_tiles(anchor, parameters);
  RegisterTile(anchor, parameters).schedule(loops);
  if (!parameters.tests_border)
    schedule_padded(kernel, anchor.contraction, anchor.stage, loops.task);
  schedule_position_sums(kernel, anchor, parameters.tile_k, parameters.task_rows);
}

}  // namespace ag::schedule
