// Backward-weights: a convolution whose taps are the positions of the output's gradient.
//
// A tile of tile_x taps × tile_i input channels by tile_k blocks of output channels is summed in
// registers over one block of `rows` rows of `images` images, then added to the weights' gradient;
// blocks are outside the tiles, so that activations stay in cache while all tiles read them. Where
// the result allows it the gradient is summed in panels of tile_k blocks, each a buffer of its own
// that stays in cache, and stored when it is complete. Images
// may be shared out to `tasks` partial gradients, summed at the end; their number depends on the
// schedule alone, so results do not depend on the number of threads.
//
// Parameters: tile_x, tile_i, tile_k, rows, images; unroll_x: positions per step; tasks: partial
// gradients, 1 none; parallel (0 or 1): over the partial gradients, or else over tiles.

#include <fmt/format.h>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "codegen/schedule/cpu/loops.h"
#include "codegen/schedule/cpu/weight_panels.h"
#include "ir/ops/conv.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "conv_backward_weights";

struct Parameters {
  int tile_x, tile_i, tile_k, rows, images, unroll_x, tasks;
  bool parallel;

  explicit Parameters(const Schedule& schedule)
      : tile_x(value(schedule, "tile_x")),
        tile_i(value(schedule, "tile_i")),
        tile_k(value(schedule, "tile_k")),
        rows(value(schedule, "rows")),
        images(value(schedule, "images")),
        unroll_x(value(schedule, "unroll_x")),
        tasks(value(schedule, "tasks")),
        parallel(value(schedule, "parallel") != 0) {}
};

// The gradient's axis of output channels, which is where vectors lie, and its block.
struct Lanes {
  int axis;
  int64_t block;
};

Lanes find_lanes(const lower::Kernel& kernel, const lower::Contraction& contraction) {
  const Node& node = kernel.body.node(contraction.node);
  const BufferForm* form = operand_form(kernel, contraction, 1);
  const ConvDims dims = ConvSpec::of(node).dims;
  const int64_t block = form ? form->type.layout.block_of(dims.rhs_output) : 1;
  if (block == 1 || dims.grouped()) {
    throw CompileError(
        fmt::format("schedule: {}: the output's gradient has no block of channels", kName))
        .help("schedule this kernel with contraction_plain");
  }
  return {dims.out_channel, block};
}

void check(const lower::Contraction& contraction, const Lanes& lanes, const Parameters& p,
           const Shape& gradient) {
  const Shape& positions = contraction.tap_extents;
  const int64_t blocks = (gradient[lanes.axis] + lanes.block - 1) / lanes.block;
  require_divides(kName, "tile_k", p.tile_k, blocks);
  require_divides(kName, "tile_x", p.tile_x, gradient.back());
  require_divides(kName, "tile_i", p.tile_i, gradient[1 - lanes.axis]);
  require_divides(kName, "unroll_x", p.unroll_x, positions[0]);
  require_divides(kName, "rows", p.rows, positions.size() > 1 ? positions[1] : 1);
  require_divides(kName, "tasks", p.tasks, contraction.channels);
  require_divides(kName, "images", p.images, contraction.channels / p.tasks);
}

// Loops of the sum over blocks; `sum` is the gradient or the partial gradients.
struct Blocks {
  RVar row_block{"row_block"}, row{"row"}, image_block{"image_block"}, image{"image"};
};

class BackwardWeights {
 public:
  BackwardWeights(lower::Kernel& kernel, const Lanes& lanes, const Parameters& parameters)
      : kernel_(kernel),
        contraction_(kernel.contractions[0]),
        rank_(kernel.body.node(contraction_.node).types[0].rank()),
        lanes_(lanes),
        block_(static_cast<int>(lanes.block)),
        p_(parameters) {}

  void schedule() {
    Func& gradient = contraction_.func;
    if (const int panel = panel_extent(); panel > 0) {
      gradient
          .compute_at(kernel_.stages[0],
                      schedule_weight_panels(kernel_, panel, block_, p_.parallel))
          .bound_extent(logical(lanes_.axis), p_.tile_k * block_);
    } else {
      for (size_t i = 0; i < kernel_.stages.size(); ++i) schedule_stage(kernel_, i, p_.parallel);
      gradient.compute_root();
    }
    gradient.reorder_storage(storage_order(gradient));
    vectorise(gradient);
    RVar images = contraction_.channel;
    Func sum = gradient;
    if (p_.tasks > 1) {
      const RVar task_images("task_images"), rest("rest");
      const int share = static_cast<int>(contraction_.channels) / p_.tasks;
      gradient.update().split(images, task_images, rest, share);
      sum = gradient.update().rfactor(task_images, task_);
      vectorise(gradient.update());
      sum.compute_root().reorder_storage(storage_order(sum));
      vectorise(sum);
      images = rest;
    }
    schedule_sum(sum, images);
  }

 private:
  Var logical(int axis) const { return lower::logical_variables(rank_)[rank_ - 1 - axis]; }

  // Channels innermost in memory, the other arguments as they are.
  std::vector<Var> storage_order(const Func& func) const {
    std::vector<Var> order{logical(lanes_.axis)};
    for (const Var& variable : func.args()) {
      if (variable.name() != order[0].name()) order.push_back(variable);
    }
    return order;
  }

  // 0 where the gradient is no panels.
  int panel_extent() const {
    if (p_.tasks > 1) return 0;
    return weight_panel_extent(kernel_, contraction_.node, lanes_.axis, p_.tile_k * lanes_.block);
  }

  template <class Stage>
  void vectorise(Stage&& stage) const {
    stage.vectorize(logical(lanes_.axis), block_);
  }

  void schedule_sum(Func& sum, const RVar& images) {
    Blocks b;
    const std::vector<RVar>& positions = contraction_.taps;
    const bool has_rows = positions.size() > 1;
    if (has_rows) sum.update().split(positions[1], b.row_block, b.row, p_.rows);
    sum.update().split(images, b.image_block, b.image, p_.images);
    const Var row_block("of_row_block"), image_block("of_image_block");
    std::vector<std::pair<RVar, Var>> kept{{b.image_block, image_block}};
    if (has_rows) kept.emplace_back(b.row_block, row_block);
    Func tile = sum.update().rfactor(kept);
    const Var at = schedule_blocks(sum, b, has_rows);
    schedule_tile(tile, sum, at, b, has_rows);
    schedule_padded(kernel_, contraction_, sum, b.image_block);
  }

  // sum += tile, block after block; returns the loop a tile is computed at.
  Var schedule_blocks(Func& sum, const Blocks& b, bool has_rows) {
    const Var output = logical(lanes_.axis), input = logical(1 - lanes_.axis);
    const Var x = logical(rank_ - 1);
    const Var lane("lane"), k("k"), k_in("k_in"), k_out("k_out"), i_in("i_in"), i_out("i_out"),
        x_in("x_in"), x_out("x_out");
    Halide::Stage update = sum.update();
    update.split(output, k, lane, block_).split(k, k_out, k_in, p_.tile_k);
    update.split(input, i_out, i_in, p_.tile_i).split(x, x_out, x_in, p_.tile_x);
    std::vector<VarOrRVar> order{lane, k_in, i_in, x_in, x_out};
    for (int axis = rank_ - 2; axis >= 2; --axis) order.push_back(logical(axis));
    order.push_back(i_out);
    if (has_rows) order.push_back(b.row_block);
    order.push_back(b.image_block);
    order.push_back(k_out);
    if (p_.tasks > 1) order.push_back(task_);
    update.reorder(order).vectorize(lane).unroll(k_in).unroll(i_in).unroll(x_in);
    if (p_.parallel && panel_extent() == 0) update.parallel(p_.tasks > 1 ? task_ : k_out);
    return x_out;
  }

  // One register tile: zero, then the sum over a block of positions.
  void schedule_tile(Func& tile, Func& sum, const Var& at, const Blocks& b, bool has_rows) {
    const Var output = logical(lanes_.axis);
    const Var lane("lane"), k("k");
    tile.compute_at(sum, at).store_in(Halide::MemoryType::Stack);
    tile.reorder_storage(storage_order(tile));
    std::vector<VarOrRVar> order{lane, k};
    std::vector<Var> unrolled{k};
    for (const Var& variable : tile.args()) {
      if (variable.name() == output.name()) continue;
      order.push_back(variable);
      unrolled.push_back(variable);
    }
    tile.split(output, k, lane, block_).reorder(order).vectorize(lane);
    for (const Var& variable : unrolled) tile.unroll(variable);

    Halide::Stage update = tile.update();
    update.split(output, k, lane, block_);
    const std::vector<RVar>& positions = contraction_.taps;
    RVar x = positions[0];
    if (p_.unroll_x > 1) {
      const RVar x_step("x_step"), x_in("x_in");
      update.split(x, x_step, x_in, p_.unroll_x).unroll(x_in);
      order.insert(order.begin() + 1, x_in);
      x = x_step;
    }
    order.push_back(x);
    if (has_rows) order.push_back(b.row);
    for (size_t i = 2; i < positions.size(); ++i) order.push_back(positions[i]);
    order.push_back(b.image);
    update.reorder(order).vectorize(lane);
    for (const Var& variable : unrolled) update.unroll(variable);
  }

  lower::Kernel& kernel_;
  lower::Contraction& contraction_;
  int rank_;
  Lanes lanes_;
  int block_;
  const Parameters& p_;
  Var task_{"task"};
};

}  // namespace

void conv_backward_weights(lower::Kernel& kernel, const Schedule& schedule) {
  if (kernel.contractions.size() != 1) {
    throw CompileError(fmt::format("schedule: {}: wants one contraction, but the kernel has {}",
                                   kName, kernel.contractions.size()))
        .help("schedule this kernel with contraction_plain");
  }
  const lower::Contraction& contraction = kernel.contractions[0];
  const Parameters parameters(schedule);
  const Lanes lanes = find_lanes(kernel, contraction);
  check(contraction, lanes, parameters, kernel.body.node(contraction.node).types[0].shape);
  join_results(kernel);
  BackwardWeights(kernel, lanes, parameters).schedule();
}

}  // namespace ag::schedule
