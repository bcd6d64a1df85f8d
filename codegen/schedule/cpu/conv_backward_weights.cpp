// Backward-weights: a convolution whose taps are the positions of the output's gradient.
//
// A tile of tile_x taps × tile_i input channels by tile_k blocks of output channels is summed in
// registers over one block of `rows` rows of `images` images, then added to the weights' gradient;
// blocks are outside the tiles, so that activations stay in cache while all tiles read them. Images
// may be shared out to `tasks` partial gradients, summed at the end; their number depends on the
// schedule alone, so results do not depend on the number of threads.
//
// Parameters: tile_x, tile_i, tile_k, rows, images; unroll_x: positions per step; tasks: partial
// gradients, 1 none; parallel (0 or 1): over the partial gradients, or else over tiles.

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/anchor.h"
#include "codegen/schedule/cpu/loops.h"

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

  static int value(const Schedule& schedule, std::string_view name) {
    return static_cast<int>(schedule.at(name));
  }
};

void check(const Anchor& anchor, const Parameters& p, const Shape& result) {
  if (anchor.block == 0 || anchor.rank < 3 || anchor.lane_axis > 1) {
    throw CompileError(
        fmt::format("schedule: {}: the result has no block of output channels", kName))
        .help("schedule this kernel with contraction_plain");
  }
  const Shape& positions = anchor.contraction.tap_extents;
  require_divides(kName, "tile_k", p.tile_k, anchor.extent(anchor.lane_axis));
  require_divides(kName, "tile_x", p.tile_x, result.back());
  require_divides(kName, "tile_i", p.tile_i, result[1 - anchor.lane_axis]);
  require_divides(kName, "unroll_x", p.unroll_x, positions[0]);
  require_divides(kName, "rows", p.rows, positions.size() > 1 ? positions[1] : 1);
  require_divides(kName, "tasks", p.tasks, anchor.contraction.channels);
  require_divides(kName, "images", p.images, anchor.contraction.channels / p.tasks);
}

// Loops of the sum over blocks; `sum` is the gradient or the partial gradients.
struct Blocks {
  RVar row_block{"row_block"}, row{"row"}, image_block{"image_block"}, image{"image"};
};

class BackwardWeights {
 public:
  BackwardWeights(Anchor& anchor, const Parameters& parameters)
      : anchor_(anchor), p_(parameters), block_(static_cast<int>(anchor.block)) {}

  void schedule() {
    Func& gradient = anchor_.contraction.func;
    gradient.compute_root().reorder_storage(storage_order(gradient));
    vectorise(gradient);
    RVar images = anchor_.contraction.channel;
    Func sum = gradient;
    if (p_.tasks > 1) {
      const RVar task_images("task_images"), rest("rest");
      const int share = static_cast<int>(anchor_.contraction.channels) / p_.tasks;
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
  // Channels innermost in memory, the other arguments as they are.
  std::vector<Var> storage_order(const Func& func) const {
    std::vector<Var> order{anchor_.logical(anchor_.lane_axis)};
    for (const Var& variable : func.args()) {
      if (variable.name() != order[0].name()) order.push_back(variable);
    }
    return order;
  }

  template <class Stage>
  void vectorise(Stage&& stage) const {
    stage.vectorize(anchor_.logical(anchor_.lane_axis), block_);
  }

  void schedule_sum(Func& sum, const RVar& images) {
    Blocks b;
    const std::vector<RVar>& positions = anchor_.contraction.taps;
    const bool has_rows = positions.size() > 1;
    if (has_rows) sum.update().split(positions[1], b.row_block, b.row, p_.rows);
    sum.update().split(images, b.image_block, b.image, p_.images);
    const Var row_block("of_row_block"), image_block("of_image_block");
    std::vector<std::pair<RVar, Var>> kept{{b.image_block, image_block}};
    if (has_rows) kept.emplace_back(b.row_block, row_block);
    Func tile = sum.update().rfactor(kept);
    const Var at = schedule_blocks(sum, b, has_rows);
    schedule_tile(tile, sum, at, b, has_rows);
  }

  // sum += tile, block after block; returns the loop a tile is computed at.
  Var schedule_blocks(Func& sum, const Blocks& b, bool has_rows) {
    const Var output = anchor_.logical(anchor_.lane_axis),
              input = anchor_.logical(1 - anchor_.lane_axis);
    const Var x = anchor_.logical(anchor_.rank - 1);
    const Var lane("lane"), k("k"), k_in("k_in"), k_out("k_out"), i_in("i_in"), i_out("i_out"),
        x_in("x_in"), x_out("x_out");
    Halide::Stage update = sum.update();
    update.split(output, k, lane, block_).split(k, k_out, k_in, p_.tile_k);
    update.split(input, i_out, i_in, p_.tile_i).split(x, x_out, x_in, p_.tile_x);
    std::vector<VarOrRVar> order{lane, k_in, i_in, x_in, i_out, x_out};
    for (int axis = anchor_.rank - 2; axis >= 2; --axis) order.push_back(anchor_.logical(axis));
    if (has_rows) order.push_back(b.row_block);
    order.push_back(b.image_block);
    order.push_back(k_out);
    if (p_.tasks > 1) order.push_back(task_);
    update.reorder(order).vectorize(lane).unroll(k_in).unroll(i_in).unroll(x_in);
    if (p_.parallel) update.parallel(p_.tasks > 1 ? task_ : k_out);
    return i_out;
  }

  // One register tile: zero, then the sum over a block of positions.
  void schedule_tile(Func& tile, Func& sum, const Var& at, const Blocks& b, bool has_rows) {
    const Var output = anchor_.logical(anchor_.lane_axis);
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
    const std::vector<RVar>& positions = anchor_.contraction.taps;
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

  Anchor& anchor_;
  const Parameters& p_;
  int block_;
  Var task_{"task"};
};

}  // namespace

void conv_backward_weights(lower::Kernel& kernel, const Schedule& schedule) {
  Anchor anchor = find_anchor(kernel, kName);
  const Parameters parameters(schedule);
  check(anchor, parameters, kernel.result_type(0).shape);
  schedule_stage(kernel, 0, parameters.parallel);
  BackwardWeights(anchor, parameters).schedule();
}

}  // namespace ag::schedule
