// Backward-weights of a depthwise convolution: every channel's taps from that channel's input and
// gradient.
//
// A vector holds one tap of a block of channels. All columns and tile_y rows of taps are summed in
// registers over all positions of one image, then added to the weights' gradient; channels are the
// outer loop, so that the activations are read once where all taps fit.
//
// Parameters: tile_y: rows of taps in registers; unroll_x: positions per step; parallel (0 or 1):
// over blocks of channels.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "codegen/schedule/cpu/loops.h"
#include "ir/ops/conv.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "conv_depthwise_weights";

// The block of channels both operands are stored in. Throws CompileError where there is none.
int channel_block(const lower::Kernel& kernel, const lower::Contraction& contraction) {
  const BufferForm* input = operand_form(kernel, contraction, 0);
  const BufferForm* gradient = operand_form(kernel, contraction, 1);
  const int64_t block = gradient ? gradient->type.layout.block_of(1) : 1;
  if (block == 1 || !input || input->type.layout.block_of(1) != block) {
    throw CompileError(
        fmt::format("schedule: {}: the operands have no common block of channels", kName))
        .help("schedule this kernel with contraction_plain");
  }
  return static_cast<int>(block);
}

class DepthwiseWeights {
 public:
  DepthwiseWeights(lower::Kernel& kernel, const Schedule& schedule)
      : contraction_(kernel.contractions[0]),
        rank_(kernel.body.node(contraction_.node).types[0].rank()),
        block_(channel_block(kernel, contraction_)),
        tile_y_(value(schedule, "tile_y")),
        unroll_x_(value(schedule, "unroll_x")) {
    const Shape& gradient = kernel.body.node(contraction_.node).types[0].shape;
    require_divides(kName, "tile_y", tile_y_, rank_ > 3 ? gradient[rank_ - 2] : 1);
    require_divides(kName, "unroll_x", unroll_x_, contraction_.tap_extents[0]);
  }

  // The gradient as a whole; `parallel` over its channels.
  void schedule(bool parallel) {
    Func& sum = contraction_.func;
    sum.compute_root().reorder_storage(lanes_first(sum));
    const Var blocks("blocks"), lane("lane"), image("of_image");
    sum.split(channel(), blocks, lane, block_, TailStrategy::RoundUp);
    sum.reorder(loops_of(sum, lane, blocks)).vectorize(lane);
    Func tile = sum.update().rfactor(contraction_.channel, image);

    Halide::Stage update = sum.update();
    update.split(channel(), blocks, lane, block_, TailStrategy::RoundUp);
    std::vector<VarOrRVar> order{lane, logical(rank_ - 1)};
    Var at = blocks;
    if (rank_ > 3) {
      const Var y_in("y_in"), y_out("y_out");
      update.split(logical(rank_ - 2), y_out, y_in, tile_y_);
      order.insert(order.end(), {y_in, y_out});
      update.unroll(y_in);
      at = y_out;
    }
    for (int axis = rank_ - 3; axis >= 1; --axis) order.push_back(logical(axis));
    order.insert(order.end(), {contraction_.channel, blocks});
    update.reorder(order).vectorize(lane).unroll(logical(rank_ - 1));
    if (parallel) update.parallel(blocks);
    schedule_tile(tile, sum, rank_ > 3 ? VarOrRVar(at) : VarOrRVar(contraction_.channel));
  }

 private:
  Var logical(int axis) const { return lower::logical_variables(rank_)[rank_ - 1 - axis]; }
  Var channel() const { return logical(0); }

  std::vector<Var> lanes_first(const Func& func) const {
    std::vector<Var> order{channel()};
    for (const Var& variable : func.args()) {
      if (variable.name() != order[0].name()) order.push_back(variable);
    }
    return order;
  }

  std::vector<VarOrRVar> loops_of(const Func& func, const Var& lane, const Var& blocks) const {
    std::vector<VarOrRVar> order{lane};
    for (const Var& variable : func.args()) {
      if (variable.name() != channel().name()) order.push_back(variable);
    }
    order.push_back(blocks);
    return order;
  }

  // Taps in registers: zero, then the sum over the positions of one image.
  void schedule_tile(Func& tile, const Func& consumer, const VarOrRVar& at) const {
    if (at.is_rvar) {
      tile.compute_at(consumer, at.rvar);
    } else {
      tile.compute_at(consumer, at.var);
    }
    tile.store_in(Halide::MemoryType::Stack).reorder_storage(lanes_first(tile));
    std::vector<VarOrRVar> order{channel()};
    std::vector<Var> unrolled;
    for (const Var& variable : tile.args()) {
      if (variable.name() == channel().name()) continue;
      order.push_back(variable);
      unrolled.push_back(variable);
    }
    tile.reorder(order).vectorize(channel(), block_);
    Halide::Stage update = tile.update();
    RVar x = contraction_.taps[0];
    if (unroll_x_ > 1) {
      const RVar step("x_step"), within("x_in");
      update.split(x, step, within, unroll_x_).unroll(within);
      order.insert(order.begin() + 1, within);
      x = step;
    }
    order.push_back(x);
    for (size_t i = 1; i < contraction_.taps.size(); ++i) order.push_back(contraction_.taps[i]);
    update.reorder(order).vectorize(channel(), block_);
    for (const Var& variable : unrolled) {
      tile.unroll(variable);
      update.unroll(variable);
    }
  }

  lower::Contraction& contraction_;
  int rank_, block_, tile_y_, unroll_x_;
};

}  // namespace

void conv_depthwise_weights(lower::Kernel& kernel, const Schedule& schedule) {
  if (kernel.contractions.size() != 1) {
    throw CompileError(fmt::format("schedule: {}: wants one contraction, but the kernel has {}",
                                   kName, kernel.contractions.size()))
        .help("schedule this kernel with contraction_plain");
  }
  const bool parallel = schedule.at("parallel") != 0;
  DepthwiseWeights gradient(kernel, schedule);
  join_results(kernel);
  for (size_t i = 0; i < kernel.stages.size(); ++i) schedule_stage(kernel, i, parallel);
  gradient.schedule(parallel);
  lower::Contraction& contraction = kernel.contractions[0];
  if (contraction.padded.defined()) {
    schedule_padded(kernel, contraction, contraction.func, contraction.channel);
  }
}

}  // namespace ag::schedule
