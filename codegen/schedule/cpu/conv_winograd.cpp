// Winograd's convolution into a channel-blocked result.
//
// Patches of `rows` rows of tiles are transformed into a buffer; then, for one group of output
// channels after the other, each element of a patch is a matrix product of weights and patches,
// held in registers by tile_x × tile_y tiles and tile_k blocks of channels; then the group's tiles
// are transformed back, with the epilogue, while the products are still in cache. Both buffers have
// sizes known at compile time.
//
// Parameters: output_tile: 2 or 4, as the op has it; rows; group: blocks of output channels;
// tile_x, tile_y, tile_k; unroll_epilogue (0 or 1); parallel: 0 none, 1 rows of tiles and images, 2
// groups of output channels.

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

constexpr std::string_view kName = "conv_winograd";

struct Parameters {
  int rows, group, tile_x, tile_y, tile_k, parallel;
  bool unroll_epilogue;

  explicit Parameters(const Schedule& schedule)
      : rows(value(schedule, "rows")),
        group(value(schedule, "group")),
        tile_x(value(schedule, "tile_x")),
        tile_y(value(schedule, "tile_y")),
        tile_k(value(schedule, "tile_k")),
        parallel(value(schedule, "parallel")),
        unroll_epilogue(value(schedule, "unroll_epilogue") != 0) {}
};

class WinogradKernel {
 public:
  WinogradKernel(lower::Kernel& kernel, Anchor& anchor, const Parameters& parameters)
      : steps_(*kernel.winograd),
        anchor_(anchor),
        p_(parameters),
        spec_(WinogradSpec::of(kernel.body.node(anchor.contraction.node).attributes)),
        tile_(static_cast<int>(spec_.tile)),
        patch_(static_cast<int>(spec_.patch())),
        tiles_x_(static_cast<int>(spec_.tiles(anchor.extent(3)))),
        tiles_y_(static_cast<int>(spec_.tiles(anchor.extent(2)))),
        block_(static_cast<int>(anchor.block)) {}

  void check(const Schedule& schedule) const {
    if (schedule.at("output_tile") != spec_.tile) {
      throw CompileError(fmt::format("schedule: {}: output_tile {} for an op with tile {}", kName,
                                     schedule.at("output_tile"), spec_.tile))
          .help("the algorithm is chosen before: schedule it with its own tile");
    }
    require_divides(kName, "group", p_.group, anchor_.extent(1));
    require_divides(kName, "tile_k", p_.tile_k, p_.group);
    require_divides(kName, "rows", p_.rows, tiles_y_);
    require_divides(kName, "tile_y", p_.tile_y, p_.rows);
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

  Loops schedule_stage() const {
    Func& stage = anchor_.stage;
    const Var lane = lower::Kernel::physical(0), x_in("x_in"), y_in("y_in"), tile_x("tile_x_of"),
              tile_y("tile_y_of"), rows("rows"), block("block"), group("group"), task("task");
    const Var image = anchor_.loop(0);
    stage.split(anchor_.loop(3), tile_x, x_in, tile_, TailStrategy::GuardWithIf)
        .split(anchor_.loop(2), tile_y, y_in, tile_, TailStrategy::GuardWithIf)
        .split(tile_y, rows, tile_y, p_.rows)
        .split(anchor_.loop(1), group, block, p_.group)
        .reorder({lane, x_in, y_in, tile_x, tile_y, block, group, rows, image})
        .vectorize(lane);
    if (p_.unroll_epilogue) stage.unroll(x_in).unroll(y_in);
    if (p_.parallel == 2) stage.parallel(group);
    if (p_.parallel != 1) return {tile_x, group, rows};
    stage.fuse(rows, image, task).parallel(task);
    return {tile_x, group, task};
  }

  // Back from products to one tile of results, for one block of channels.
  void schedule_output(const Var& at) {
    const Var channel = steps_.variables.channel, column = steps_.variables.column;
    const Var x_in = steps_.output_position[0], y_in = steps_.output_position[1];
    for (Func* func : {&steps_.output, &steps_.output_rows}) {
      func->compute_at(anchor_.stage, at)
          .store_in(MemoryType::Stack)
          .bound_extent(channel, block_)
          .bound_extent(y_in, tile_)
          .bound_extent(steps_.variables.tile_x, 1)
          .bound_extent(steps_.variables.tile_y, 1)
          .vectorize(channel, block_)
          .unroll(y_in);
    }
    steps_.output.bound_extent(x_in, tile_).unroll(x_in);
    steps_.output_rows.bound_extent(column, patch_).unroll(column);
  }

  // One group's products, in memory; register tiles inside.
  void schedule_products(const Var& at) {
    const auto& [channel, tile_x, tile_y, image, column, row] = steps_.variables;
    const Var lane("lane"), block("block"), k_in("k_in"), k_out("k_out"), x_in("x_in"),
        x_out("x_out"), y_in("y_in"), y_out("y_out");
    Func& products = steps_.products;
    products.compute_at(anchor_.stage, at)
        .bound_extent(channel, p_.group * block_)
        .bound_extent(tile_x, tiles_x_)
        .bound_extent(tile_y, p_.rows)
        .bound_extent(image, 1)
        .bound_extent(column, patch_)
        .bound_extent(row, patch_)
        .split(channel, block, lane, block_)
        .split(block, k_out, k_in, p_.tile_k)
        .split(tile_x, x_out, x_in, p_.tile_x, TailStrategy::ShiftInwards)
        .split(tile_y, y_out, y_in, p_.tile_y)
        .reorder({lane, k_in, x_in, y_in, x_out, y_out, k_out, image, column, row})
        .vectorize(lane)
        .unroll(k_in)
        .unroll(x_in)
        .unroll(y_in);

    Func& sum = anchor_.contraction.func;
    sum.compute_at(products, x_out).store_in(MemoryType::Stack);
    sum.split(channel, block, lane, block_)
        .reorder({lane, block, tile_x, tile_y, image, column, row})
        .vectorize(lane)
        .unroll(block)
        .unroll(tile_x)
        .unroll(tile_y);
    const RVar blocks("input_blocks"), input("input");
    sum.update()
        .split(channel, block, lane, block_)
        .split(anchor_.contraction.channel, blocks, input, block_)
        .reorder({lane, block, tile_x, tile_y, input, blocks, image, column, row})
        .vectorize(lane)
        .unroll(block)
        .unroll(tile_x)
        .unroll(tile_y);
  }

  void schedule_patches(const Var& at) {
    const auto& [channel, tile_x, tile_y, image, column, row] = steps_.variables;
    const Var lane("lane"), block("block");
    Func& patches = steps_.patches;
    patches.compute_at(anchor_.stage, at)
        .bound_extent(channel, static_cast<int>(anchor_.contraction.channels))
        .bound_extent(tile_x, tiles_x_)
        .bound_extent(tile_y, p_.rows)
        .bound_extent(image, 1)
        .bound_extent(column, patch_)
        .bound_extent(row, patch_)
        .split(channel, block, lane, block_)
        .reorder({lane, column, row, tile_x, tile_y, block, image})
        .vectorize(lane)
        .unroll(column)
        .unroll(row);
    if (p_.parallel == 2) patches.parallel(block);
    steps_.input_rows.compute_at(patches, tile_x)
        .store_in(MemoryType::Stack)
        .bound_extent(column, patch_)
        .bound_extent(row, patch_)
        .bound_extent(channel, block_)
        .vectorize(channel, block_)
        .unroll(column)
        .unroll(row);
  }

  lower::Winograd& steps_;
  Anchor& anchor_;
  const Parameters& p_;
  WinogradSpec spec_;
  int tile_, patch_, tiles_x_, tiles_y_, block_;
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
