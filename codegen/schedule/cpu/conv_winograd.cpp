// Winograd's convolution into a channel-blocked result.
//
// Patches of `rows` rows of tiles, of each phase of a dilation, are transformed into a buffer;
// then, for one group of output channels after the other, each element of a patch is a matrix
// product of weights and patches, held in registers by tile_x × tile_y tiles and tile_k blocks of
// channels; then the group's tiles are transformed back, with the epilogue, while the products are
// still in cache. Both buffers have sizes known at compile time. Of a video they hold `frames`
// positions of the axis in front of the rows, so that weights are read once for all of them; of
// small images they hold `images`, for the same reason, and a register tile has tiles of tile_n of
// them.
//
// Parameters: output_tile: 2 or 4, as the op has it; rows; group: blocks of output channels;
// tile_x, tile_y, tile_k; frames, where there is such an axis; images and tile_n, where not 1;
// unroll_epilogue (0 or 1); parallel: 0 none, 1 rows of tiles and images, 2 groups of output
// channels.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "ir/ops/winograd.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::MemoryType;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "conv_winograd";

int value_or_one(const Schedule& schedule, const std::string& parameter) {
  return schedule.values.contains(parameter) ? value(schedule, parameter) : 1;
}

struct Parameters {
  int rows, group, tile_x, tile_y, tile_k, frames, images, tile_n, parallel;
  bool unroll_epilogue;

  explicit Parameters(const Schedule& schedule)
      : rows(value(schedule, "rows")),
        group(value(schedule, "group")),
        tile_x(value(schedule, "tile_x")),
        tile_y(value(schedule, "tile_y")),
        tile_k(value(schedule, "tile_k")),
        frames(value_or_one(schedule, "frames")),
        images(value_or_one(schedule, "images")),
        tile_n(value_or_one(schedule, "tile_n")),
        parallel(value(schedule, "parallel")),
        unroll_epilogue(value(schedule, "unroll_epilogue") != 0) {}
};

class WinogradKernel {
 public:
  WinogradKernel(lower::Kernel& kernel, Anchor& anchor, const Parameters& parameters)
      : steps_(*kernel.winograd),
        anchor_(anchor),
        p_(parameters),
        spec_(WinogradSpec::of(kernel.body.node(anchor.contraction.node))),
        in_(kernel.body.type(kernel.body.node(anchor.contraction.node).operands[0]).shape),
        tile_(static_cast<int>(spec_.tile)),
        patch_(static_cast<int>(spec_.patch())),
        block_(static_cast<int>(anchor.block)),
        x_axis_(anchor.rank - 3),
        y_axis_(anchor.rank - 4),
        tiles_x_(tiles(x_axis_)),
        tiles_y_(tiles(y_axis_)),
        rows_(p_.rows == spans(y_axis_) ? tiles_y_
                                        : p_.rows * static_cast<int>(spec_.dilation[y_axis_])) {}

  void check(const Schedule& schedule) const {
    if (schedule.at("output_tile") != spec_.tile) {
      throw CompileError(fmt::format("schedule: {}: output_tile {} for an op with tile {}", kName,
                                     schedule.at("output_tile"), spec_.tile))
          .help("the algorithm is chosen before: schedule it with its own tile");
    }
    require_divides(kName, "group", p_.group, anchor_.extent(1));
    require_divides(kName, "tile_k", p_.tile_k, p_.group);
    require_divides(kName, "rows", p_.rows, spans(y_axis_));
    require_divides(kName, "tile_y", p_.tile_y, rows_);
    require_divides(kName, "frames", p_.frames,
                    anchor_.rank > 4 ? anchor_.extent(frame_axis()) : 1);
    require_divides(kName, "images", p_.images, anchor_.extent(0));
    require_divides(kName, "tile_n", p_.tile_n, p_.images);
    if (p_.tile_x < 1 || p_.tile_x > tiles_x_) {
      require_divides(kName, "tile_x", p_.tile_x, tiles_x_);
    }
  }

  void schedule() {
    const Loops loops = schedule_stage();
    schedule_output(loops.tile);
    schedule_products(loops.group);
    schedule_patches(loops.rows);
  }

 private:
  struct Loops {
    Var tile, group, rows;  // innermost first
  };

  int tiles(int axis) const {
    return static_cast<int>(spec_.tiles(axis, anchor_.extent(axis + 2)));
  }
  // Rows of tiles of all phases.
  int spans(int axis) const {
    const auto span = static_cast<int>(spec_.span(axis));
    return (static_cast<int>(anchor_.extent(axis + 2)) + span - 1) / span;
  }
  int frame_axis() const { return anchor_.rank - 3; }

  // The loops over an axis of the stage, innermost first.
  struct AxisLoops {
    Var in, phase, span;  // results of a tile, phases of a dilation, spans
  };

  AxisLoops split_axis(int axis) const {
    const std::string name = std::to_string(axis);
    const AxisLoops loops{Var("in" + name), Var("phase" + name), Var("span" + name)};
    const Var tile("tile" + name);
    anchor_.stage
        .split(anchor_.loop(axis + 2), loops.span, tile, static_cast<int>(spec_.span(axis)),
               TailStrategy::GuardWithIf)
        .split(tile, loops.in, loops.phase, static_cast<int>(spec_.dilation[axis]));
    return loops;
  }

  Loops schedule_stage() const {
    Func& stage = anchor_.stage;
    const Var lane = lower::Kernel::physical(0), rows("rows"), row("row"), block("block"),
              group("group"), task("task"), frame("frame"), image("image_in");
    const AxisLoops x = split_axis(x_axis_), y = split_axis(y_axis_);
    stage.split(y.span, rows, row, p_.rows).split(anchor_.loop(1), group, block, p_.group);
    std::vector<VarOrRVar> order{lane, x.in, y.in, x.phase, y.phase, x.span, row};
    std::vector<Var> outer{rows};
    if (anchor_.rank > 4) {
      const Var frames = anchor_.loop(frame_axis());
      stage.split(frames, frames, frame, p_.frames);
      order.push_back(frame);
      outer.push_back(frames);
    }
    for (int axis = anchor_.rank - 4; axis >= 2; --axis) outer.push_back(anchor_.loop(axis));
    if (p_.images > 1) {
      stage.split(anchor_.loop(0), anchor_.loop(0), image, p_.images);
      order.push_back(image);
    }
    outer.push_back(anchor_.loop(0));
    order.insert(order.end(), {block, group});
    order.insert(order.end(), outer.begin(), outer.end());
    stage.reorder(order).vectorize(lane);
    if (p_.unroll_epilogue) stage.unroll(x.in).unroll(y.in);
    if (p_.parallel == 2) stage.parallel(group);
    if (p_.parallel != 1) return {x.span, group, rows};
    Var fused = rows;
    for (size_t i = 1; i < outer.size(); ++i) {
      const Var next = i + 1 == outer.size() ? task : Var("task" + std::to_string(i));
      stage.fuse(fused, outer[i], next);
      fused = next;
    }
    stage.parallel(fused);
    return {x.span, group, fused};
  }

  // Extents of the tiles of a step; of one frame and image unless given.
  Func& bound_tiles(Func& func, int tiles_x, int rows, int frames = 1, int images = 1) const {
    const std::vector<Var>& outer = steps_.variables.outer;
    func.bound_extent(steps_.variables.tile_x, tiles_x).bound_extent(steps_.variables.tile_y, rows);
    for (size_t i = 0; i + 1 < outer.size(); ++i) func.bound_extent(outer[i], i == 0 ? frames : 1);
    return func.bound_extent(outer.back(), images);
  }

  // Back from products to the tiles of one span, for one block of channels.
  void schedule_output(const Var& at) {
    const Var channel = steps_.variables.channel, column = steps_.variables.column;
    const std::vector<Var>& position = steps_.output_position;
    const Var x_in = position[0], y_in = position[1], phase_x = position[2];
    steps_.output.compute_at(anchor_.stage, at)
        .store_in(MemoryType::Stack)
        .bound_extent(channel, block_)
        .bound_extent(x_in, tile_)
        .bound_extent(y_in, tile_)
        .bound_extent(phase_x, static_cast<int>(spec_.dilation[x_axis_]))
        .bound_extent(position[3], static_cast<int>(spec_.dilation[y_axis_]))
        .bound_extent(position[4], 1)
        .bound_extent(position[5], 1)
        .vectorize(channel, block_)
        .unroll(x_in)
        .unroll(y_in);
    for (const Var& variable : steps_.variables.outer) steps_.output.bound_extent(variable, 1);
    bound_tiles(steps_.output_rows, 1, 1)
        .compute_at(steps_.output, phase_x)
        .store_in(MemoryType::Stack)
        .bound_extent(channel, block_)
        .bound_extent(column, patch_)
        .bound_extent(y_in, tile_)
        .vectorize(channel, block_)
        .unroll(column)
        .unroll(y_in);
  }

  // The loops around a register tile or a patch, innermost first.
  std::vector<VarOrRVar> outer_loops() const {
    const lower::Winograd::Variables& v = steps_.variables;
    std::vector<VarOrRVar> loops(v.outer.begin(), v.outer.end());
    loops.insert(loops.end(), {v.column, v.row});
    return loops;
  }

  // One group's products, in memory; register tiles inside.
  void schedule_products(const Var& at) {
    const lower::Winograd::Variables& v = steps_.variables;
    const Var lane("lane"), block("block"), k_in("k_in"), k_out("k_out"), x_in("x_in"),
        x_out("x_out"), y_in("y_in"), y_out("y_out"), image_in("image_in"), image_out("image_out");
    Func& products = steps_.products;
    std::vector<VarOrRVar> order{lane, k_in, x_in, y_in, image_in, x_out, y_out};
    std::vector<VarOrRVar> outer = outer_loops();
    outer[v.outer.size() - 1] = image_out;
    order.insert(order.end(), outer.begin(), outer.end() - 2);
    order.push_back(k_out);
    order.insert(order.end(), outer.end() - 2, outer.end());
    bound_tiles(products, tiles_x_, rows_, p_.frames, p_.images)
        .compute_at(anchor_.stage, at)
        .bound_extent(v.channel, p_.group * block_)
        .bound_extent(v.column, patch_)
        .bound_extent(v.row, patch_)
        .split(v.channel, block, lane, block_)
        .split(block, k_out, k_in, p_.tile_k)
        .split(v.tile_x, x_out, x_in, p_.tile_x, TailStrategy::ShiftInwards)
        .split(v.tile_y, y_out, y_in, p_.tile_y)
        .split(v.outer.back(), image_out, image_in, p_.tile_n)
        .reorder(order)
        .vectorize(lane)
        .unroll(k_in)
        .unroll(x_in)
        .unroll(y_in)
        .unroll(image_in);
    schedule_sum(x_out);
  }

  void schedule_sum(const Var& at) {
    const lower::Winograd::Variables& v = steps_.variables;
    const Var lane("lane"), block("block");
    Func& sum = anchor_.contraction.func;
    const Var image = v.outer.back();
    std::vector<VarOrRVar> outer = outer_loops();
    outer.erase(outer.begin() + static_cast<int>(v.outer.size()) - 1);
    std::vector<VarOrRVar> order{lane, block, v.tile_x, v.tile_y, image};
    order.insert(order.end(), outer.begin(), outer.end());
    sum.compute_at(steps_.products, at).store_in(MemoryType::Stack);
    sum.split(v.channel, block, lane, block_)
        .reorder(order)
        .vectorize(lane)
        .unroll(block)
        .unroll(v.tile_x)
        .unroll(v.tile_y)
        .unroll(image);
    const RVar blocks("input_blocks"), input("input");
    order = {lane, block, v.tile_x, v.tile_y, image, input, blocks};
    const std::vector<RVar>& taps = anchor_.contraction.taps;
    order.insert(order.end(), taps.begin(), taps.end());
    order.insert(order.end(), outer.begin(), outer.end());
    sum.update()
        .split(v.channel, block, lane, block_)
        .split(anchor_.contraction.channel, blocks, input, block_)
        .reorder(order)
        .vectorize(lane)
        .unroll(block)
        .unroll(v.tile_x)
        .unroll(v.tile_y)
        .unroll(image);
  }

  // Of the axes in front, what a block of frames reads: the whole operand, where it is the only
  // block.
  void bound_read_frames(Func& patches) const {
    const std::vector<Var>& outer = steps_.variables.outer;
    for (size_t i = 0; i + 1 < outer.size(); ++i) {
      const int axis = frame_axis() - static_cast<int>(i), frames = i == 0 ? p_.frames : 1;
      if (frames == anchor_.extent(axis)) {
        patches.bound(outer[i], 0, static_cast<int>(in_[axis]));
        continue;
      }
      const auto taps = static_cast<int>(anchor_.contraction.tap_extents[i]);
      const auto dilation = static_cast<int>(spec_.dilation[axis - 2]);
      patches.bound_extent(outer[i], frames + (taps - 1) * dilation);
    }
  }

  void schedule_patches(const Var& at) {
    const lower::Winograd::Variables& v = steps_.variables;
    const Var lane("lane"), block("block");
    Func& patches = steps_.patches;
    std::vector<VarOrRVar> order{lane, v.column, v.row, v.tile_x, v.tile_y, block};
    order.insert(order.end(), v.outer.begin(), v.outer.end());
    bound_read_frames(patches);
    patches.compute_at(anchor_.stage, at)
        .bound_extent(v.tile_x, tiles_x_)
        .bound_extent(v.tile_y, rows_)
        .bound_extent(v.outer.back(), p_.images)
        .bound_extent(v.channel, static_cast<int>(anchor_.contraction.channels))
        .bound_extent(v.column, patch_)
        .bound_extent(v.row, patch_)
        .split(v.channel, block, lane, block_)
        .reorder(order)
        .vectorize(lane)
        .unroll(v.column)
        .unroll(v.row);
    if (p_.parallel == 2) patches.parallel(block);
    steps_.input_rows.compute_at(patches, v.tile_x)
        .store_in(MemoryType::Stack)
        .bound_extent(v.column, patch_)
        .bound_extent(v.row, patch_)
        .bound_extent(v.channel, block_)
        .vectorize(v.channel, block_)
        .unroll(v.column)
        .unroll(v.row);
  }

  lower::Winograd& steps_;
  Anchor& anchor_;
  const Parameters& p_;
  WinogradSpec spec_;
  Shape in_;
  int tile_, patch_, block_;
  int x_axis_, y_axis_;           // spatial
  int tiles_x_, tiles_y_, rows_;  // rows_: of tiles, in a block
};

}  // namespace

void conv_winograd(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName);
  if (!kernel.winograd || anchor.lane_axis != 1 || anchor.block == 0 ||
      anchor.contraction.channels % anchor.block != 0) {
    throw CompileError(fmt::format("schedule: {} wants a winograd_conv between operands in blocks "
                                   "of channels, but the kernel's result is {}",
                                   kName, to_string(kernel.result_type(0))))
        .help("schedule this kernel with contraction_plain");
  }
  const Parameters parameters(schedule);
  WinogradKernel winograd(kernel, anchor, parameters);
  winograd.check(schedule);
  winograd.schedule();
}

}  // namespace ag::schedule
