// Winograd's gradient towards weights.
//
// A block of `tiles` tiles of inputs and of the result's gradient is transformed; then, for each
// element of a patch, one product of the two matrices is added to the sums: tile_i input channels
// by tile_k blocks of output channels are kept in registers over the block. After the last block
// the sums are transformed to weights. Where the result allows it sums are kept for panels of
// `group` blocks of output channels, which are the parallel tasks; each transforms all inputs anew,
// which costs less than keeping them. Or else tiles may be shared out to `tasks` partial sums,
// added at the end; their number depends on the schedule alone, so results do not depend on the
// number of threads.
//
// Parameters: output_tile: 2 or 4, as the op has it; tiles; tile_i, tile_k; group; tasks: partial
// sums, 1 none; parallel (0 or 1): over the partial sums, or else over panels.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "codegen/schedule/cpu/loops.h"
#include "codegen/schedule/cpu/weight_panels.h"
#include "ir/ops/winograd.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::MemoryType;
using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "conv_winograd_weights";

struct Parameters {
  int tiles, tile_i, tile_k, group, tasks;
  bool parallel;

  explicit Parameters(const Schedule& schedule)
      : tiles(value(schedule, "tiles")),
        tile_i(value(schedule, "tile_i")),
        tile_k(value(schedule, "tile_k")),
        group(value(schedule, "group")),
        tasks(value(schedule, "tasks")),
        parallel(value(schedule, "parallel") != 0) {}
};

class WinogradWeights {
 public:
  WinogradWeights(lower::Kernel& kernel, const Parameters& parameters)
      : kernel_(kernel),
        steps_(*kernel.winograd_backward),
        v_(steps_.variables),
        sum_(kernel.contractions[0]),
        p_(parameters),
        spec_(WinogradSpec::of(kernel.body.node(sum_.node))),
        tile_(static_cast<int>(spec_.tile)),
        patch_(static_cast<int>(spec_.patch())),
        input_block_(steps_.input_block),
        output_block_(steps_.output_block) {
    const Shape& shape = kernel.body.node(sum_.node).types[0].shape;
    outputs_ = (static_cast<int>(shape[0]) + output_block_ - 1) / output_block_;
    inputs_ = (static_cast<int>(shape[1]) + input_block_ - 1) / input_block_;
  }

  void check(const Schedule& schedule) const {
    if (schedule.at("output_tile") != spec_.tile) {
      throw CompileError(fmt::format("schedule: {}: output_tile {} for an op with tile {}", kName,
                                     schedule.at("output_tile"), spec_.tile))
          .help("the algorithm is chosen before: schedule it with its own tile");
    }
    require_divides(kName, "tasks", p_.tasks, sum_.channels);
    require_divides(kName, "tiles", p_.tiles, sum_.channels / p_.tasks);
    require_divides(kName, "tile_i", p_.tile_i, input_block_);
    require_divides(kName, "group", p_.group, outputs_);
    require_divides(kName, "tile_k", p_.tile_k, p_.group);
  }

  void schedule() {
    const int64_t channels = static_cast<int64_t>(p_.group) * output_block_;
    const int panel = p_.tasks > 1 ? 0 : weight_panel_extent(kernel_, sum_.node, 0, channels);
    if (panel > 0) {
      const Var at = schedule_weight_panels(kernel_, panel, output_block_, p_.parallel);
      steps_.weights.compute_at(kernel_.stages[0], at);
      sum_.func.compute_at(kernel_.stages[0], at);
    } else {
      for (size_t i = 0; i < kernel_.stages.size(); ++i) schedule_stage(kernel_, i, p_.parallel);
      steps_.weights.compute_root();
      sum_.func.compute_root();
    }
    outputs_of_panel_ = panel > 0 ? p_.group : outputs_;
    schedule_weights();
    bound_sum(sum_.func);
    Func sum = sum_.func;
    RVar tiles = sum_.channel;
    if (p_.tasks > 1) {
      sum = share_tiles(tiles);
      tiles = rest_;
    }
    schedule_blocks(sum, tiles, panel == 0);
  }

 private:
  // From sums to weights, one vector of output channels after the other.
  void schedule_weights() {
    const Var lane("weights_lane"), block("weights_block");
    steps_.weights.bound_extent(v_.output, outputs_of_panel_ * output_block_)
        .bound(v_.tap_x, 0, 3)
        .bound(v_.tap_y, 0, 3)
        .split(v_.output, block, lane, output_block_)
        .reorder(lane, v_.tap_x, v_.tap_y, block, v_.input)
        .vectorize(lane)
        .unroll(v_.tap_x)
        .unroll(v_.tap_y);
    steps_.weight_rows.compute_at(steps_.weights, block)
        .store_in(MemoryType::Stack)
        .bound(v_.column, 0, patch_)
        .bound(v_.tap_y, 0, 3)
        .bound_extent(v_.output, output_block_)
        .vectorize(v_.output, output_block_)
        .unroll(v_.column)
        .unroll(v_.tap_y);
  }

  void bound_sum(Func& sum) const {
    sum.bound_extent(v_.output, outputs_of_panel_ * output_block_)
        .bound(v_.input, 0, inputs_ * input_block_)
        .bound(v_.column, 0, patch_)
        .bound(v_.row, 0, patch_)
        .vectorize(v_.output, output_block_);
  }

  // Partial sums; the sum over them is what remains of the contraction's.
  Func share_tiles(const RVar& tiles) {
    const RVar shares("shares");
    Func& sum = sum_.func;
    sum.update().split(tiles, shares, rest_, static_cast<int>(sum_.channels) / p_.tasks);
    Func part = sum.update().rfactor(shares, task_);
    sum.update().vectorize(v_.output, output_block_);
    part.compute_root();
    bound_sum(part);
    part.bound(task_, 0, p_.tasks);
    return part;
  }

  // sum += product of a block, block after block.
  void schedule_blocks(Func& sum, const RVar& tiles, bool whole) {
    const RVar block("tile_block"), tile("tile_of_block");
    const Var of_block("of_block"), lane("lane"), k("k"), k_in("k_in"), k_out("k_out"),
        i_block("i_block"), i_rest("i_rest"), i_in("i_in"), i_out("i_out");
    sum.update().split(tiles, block, tile, p_.tiles);
    Func product = sum.update().rfactor(block, of_block);
    Halide::Stage update = sum.update();
    update.split(v_.output, k, lane, output_block_).split(k, k_out, k_in, p_.tile_k);
    update.split(v_.input, i_block, i_rest, input_block_).split(i_rest, i_out, i_in, p_.tile_i);
    std::vector<VarOrRVar> order{lane, k_in, i_in, i_out, i_block, k_out, v_.column, v_.row, block};
    if (p_.tasks > 1) order.push_back(task_);
    update.reorder(order).vectorize(lane).unroll(k_in).unroll(i_in);
    if (p_.parallel && p_.tasks > 1) {
      update.parallel(task_);
      sum.parallel(task_);
    } else if (p_.parallel && whole) {
      update.parallel(v_.row);
    }
    schedule_product(product, sum, i_out, tile);
    schedule_transform(sum, block, steps_.patches, steps_.input_rows, input_block_, inputs_,
                       patch_);
    schedule_transform(sum, block, steps_.gradients, steps_.gradient_rows, output_block_,
                       outputs_of_panel_, tile_);
  }

  // One register tile.
  void schedule_product(Func& product, const Func& sum, const Var& at, const RVar& tile) const {
    const Var lane("lane"), k("k");
    std::vector<VarOrRVar> order{lane, k};
    std::vector<Var> unrolled{k};
    for (const Var& variable : product.args()) {
      if (variable.name() == v_.output.name()) continue;
      order.push_back(variable);
      unrolled.push_back(variable);
    }
    product.compute_at(sum, at).store_in(MemoryType::Stack);
    product.split(v_.output, k, lane, output_block_).reorder(order).vectorize(lane);
    Halide::Stage update = product.update();
    update.split(v_.output, k, lane, output_block_);
    order.push_back(tile);
    update.reorder(order).vectorize(lane);
    for (const Var& variable : unrolled) {
      product.unroll(variable);
      update.unroll(variable);
    }
  }

  // Squares of a block of tiles; `size`: columns before their transform.
  void schedule_transform(const Func& sum, const RVar& at, Func& squares, Func& rows, int lanes,
                          int blocks, int size) const {
    squares.compute_at(sum, at)
        .bound_extent(v_.lane, lanes)
        .bound_extent(v_.tile, p_.tiles)
        .bound_extent(v_.block, blocks)
        .bound(v_.column, 0, patch_)
        .bound(v_.row, 0, patch_)
        .reorder(v_.lane, v_.column, v_.row, v_.tile, v_.block)
        .vectorize(v_.lane, lanes)
        .unroll(v_.column)
        .unroll(v_.row);
    rows.compute_at(squares, v_.tile)
        .store_in(MemoryType::Stack)
        .bound_extent(v_.lane, lanes)
        .bound(v_.column, 0, size)
        .bound(v_.row, 0, patch_)
        .vectorize(v_.lane, lanes)
        .unroll(v_.column)
        .unroll(v_.row);
  }

  lower::Kernel& kernel_;
  lower::WinogradBackward& steps_;
  const lower::WinogradBackward::Variables& v_;
  lower::Contraction& sum_;
  const Parameters& p_;
  WinogradSpec spec_;
  int tile_, patch_, input_block_, output_block_;
  int outputs_ = 0, inputs_ = 0, outputs_of_panel_ = 0;  // blocks of channels
  Var task_{"task"};
  RVar rest_{"rest"};
};

}  // namespace

void conv_winograd_weights(lower::Kernel& kernel, const Schedule& schedule) {
  const lower::WinogradBackward* steps =
      kernel.winograd_backward ? &*kernel.winograd_backward : nullptr;
  if (!steps || kernel.contractions.size() != 1 || steps->input_block == 1 ||
      steps->output_block == 1) {
    throw CompileError(fmt::format("schedule: {} wants a winograd_backward_weights of operands in "
                                   "blocks of channels",
                                   kName))
        .help("schedule this kernel with contraction_plain");
  }
  join_results(kernel);
  const Parameters parameters(schedule);
  WinogradWeights weights(kernel, parameters);
  weights.check(schedule);
  weights.schedule();
}

}  // namespace ag::schedule
