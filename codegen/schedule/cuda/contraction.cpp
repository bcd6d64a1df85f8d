// Convolutions of all kinds and matrix products: every thread keeps a tile of results in registers.
//
// A tile is tile_a neighbours along axis_a by tile_b along axis_b of the result; the operands come
// through the caches. A block has threads_a tiles along axis_a and what follows it in memory, by
// threads_b tiles along axis_b. Neighbouring threads are neighbours along axis_a: they share the
// loads of the operand that axis_b indexes, and read the other one side by side.
//
// Where there are few results and long sums (backward weights) the longest loop of the sum is
// shared by `parts` blocks; their sums are stored and added by a second kernel.
//
// Parameters: axis_a, axis_b: of the result; tile_a, tile_b; threads_a, threads_b; parts;
// unroll_taps (0 or 1): the innermost loop over a window; unroll: steps of the depth a product
// takes at a time, dividing it, 1 where there is a window.

#include <fmt/format.h>

#include <algorithm>

#include "codegen/schedule/cuda/grid.h"
#include "codegen/schedule/cuda/templates.h"
#include "codegen/schedule/results.h"

namespace ag::schedule::cuda {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "contraction";

struct Parameters {
  int axis_a, axis_b, tile_a, tile_b, threads_a, threads_b, parts, unroll;
  bool unroll_taps;

  explicit Parameters(const Schedule& schedule)
      : axis_a(value(schedule, "axis_a")),
        axis_b(value(schedule, "axis_b")),
        tile_a(value(schedule, "tile_a")),
        tile_b(value(schedule, "tile_b")),
        threads_a(value(schedule, "threads_a")),
        threads_b(value(schedule, "threads_b")),
        parts(value(schedule, "parts")),
        unroll(value(schedule, "unroll")),
        unroll_taps(value(schedule, "unroll_taps") != 0) {}
};

[[noreturn]] void refuse(const std::string& why) {
  throw CompileError(fmt::format("schedule: {} {}", kName, why))
      .help("schedule this kernel with contraction_plain");
}

// A last tile overlaps the one before, unless results must be computed once.
void require_tile(const lower::Kernel& kernel, std::string_view name, int tile, int64_t extent) {
  const bool divides = tile > 0 && extent % tile == 0;
  if (tile < 1 || tile > extent || (kernel.overwrites_operand() && !divides))
    refuse(fmt::format("wants a {} that fits {}, not {}", name, extent, tile));
}

void check(const lower::Kernel& kernel, const Parameters& p) {
  if (kernel.contractions.size() != 1 || kernel.stages.size() != 1 || !kernel.reductions.empty())
    refuse("wants one contraction, nothing else that is added up, and results of equal extents");
  const Shape& shape = kernel.body.node(kernel.contractions[0].node).types[0].shape;
  const TensorType& result = kernel.result_type(0);
  const int rank = static_cast<int>(shape.size());
  if (result.shape != shape || !result.layout.is_row_major())
    refuse("wants results like the contraction's, stored by rows");
  if (p.axis_a < 0 || p.axis_b < 0 || p.axis_a >= rank || p.axis_b >= rank || p.axis_a == p.axis_b)
    refuse("wants two axes of the result");
  require_tile(kernel, "tile_a", p.tile_a, shape[p.axis_a]);
  require_tile(kernel, "tile_b", p.tile_b, shape[p.axis_b]);
}

// The register tiles of `consumer`, whose first arguments are the result's, as a grid; returns the
// innermost loop over threads.
Var spread_tiles(Func consumer, int rank, const Parameters& p) {
  std::vector<Var> loops = consumer.args();
  const Var a = loops[rank - 1 - p.axis_a], b = loops[rank - 1 - p.axis_b];
  const Var a_in("a_in"), b_in("b_in"), a_out("a_out"), b_out("b_out");
  consumer.split(a, a_out, a_in, p.tile_a, TailStrategy::ShiftInwards);
  consumer.split(b, b_out, b_in, p.tile_b, TailStrategy::ShiftInwards);
  Var tiles = a_out;
  for (const Var& loop : loops) {
    if (loop.name() == a.name() || loop.name() == b.name()) continue;
    const Var fused("tiles_" + loop.name());
    consumer.fuse(tiles, loop, fused);
    tiles = fused;
  }
  const Var block_a("block_a"), block_b("block_b"), thread_a("thread_a"), thread_b("thread_b");
  consumer.split(tiles, block_a, thread_a, p.threads_a, TailStrategy::GuardWithIf)
      .split(b_out, block_b, thread_b, p.threads_b, TailStrategy::GuardWithIf)
      .reorder(a_in, b_in, thread_a, thread_b, block_a, block_b)
      .gpu_blocks(block_a, block_b)
      .gpu_threads(thread_a, thread_b)
      .unroll(a_in)
      .unroll(b_in);
  return thread_a;
}

// A sum in registers, at a loop of `consumer`.
void schedule_sum(Func sum, const Func& consumer, const Var& at, int rank,
                  std::vector<VarOrRVar> over, const std::vector<VarOrRVar>& unrolled,
                  const Parameters& p) {
  const std::vector<Var> arguments = sum.args();
  const Var a = arguments[rank - 1 - p.axis_a], b = arguments[rank - 1 - p.axis_b];
  sum.compute_at(consumer, at).unroll(a).unroll(b);
  std::vector<VarOrRVar> order{a, b};
  order.insert(order.end(), over.begin(), over.end());
  Halide::Stage update = sum.update();
  update.reorder(order).never_partition_all().unroll(a).unroll(b);
  for (const VarOrRVar& loop : unrolled) update.unroll(loop);
}

// The loops of the sum, innermost first, and those to unroll.
struct SumLoops {
  std::vector<VarOrRVar> over, unrolled;
};

SumLoops split_sum(const lower::Contraction& contraction, const Parameters& p) {
  SumLoops loops;
  for (const RVar& tap : contraction.taps) loops.over.emplace_back(tap);
  if (p.unroll_taps && !contraction.taps.empty()) loops.unrolled.emplace_back(contraction.taps[0]);
  if (p.unroll > 1 && contraction.channels % p.unroll == 0) {
    const RVar steps("steps"), step("step");
    Func(contraction.func).update().split(contraction.channel, steps, step, p.unroll);
    loops.over.emplace_back(step);
    loops.unrolled.emplace_back(step);
    loops.over.emplace_back(steps);
  } else {
    loops.over.emplace_back(contraction.channel);
  }
  return loops;
}

// The longest loop of the sum, and its extent.
std::pair<RVar, int64_t> longest_loop(const lower::Contraction& contraction) {
  std::pair<RVar, int64_t> longest{contraction.channel, contraction.channels};
  for (size_t i = 0; i < contraction.taps.size(); ++i) {
    if (contraction.tap_extents[i] > longest.second)
      longest = {contraction.taps[i], contraction.tap_extents[i]};
  }
  return longest;
}

// Sums of parts, stored, and their sum.
void schedule_parts(lower::Kernel& kernel, int rank, const Parameters& p) {
  lower::Contraction& contraction = kernel.contractions[0];
  Func& sum = contraction.func;
  const auto [loop, extent] = longest_loop(contraction);
  const RVar part("part"), rest("rest");
  const int parts = static_cast<int>(std::min<int64_t>(p.parts, extent));
  sum.update().split(loop, part, rest, static_cast<int>((extent + parts - 1) / parts));
  Func partial = sum.update().rfactor(part, Var("of_part"));
  Func stored = partial.in();
  stored.compute_root();
  const Var thread = spread_tiles(stored, rank, p);
  std::vector<VarOrRVar> over;
  for (const RVar& tap : contraction.taps)
    over.emplace_back(tap.name() == loop.name() ? rest : tap);
  over.emplace_back(contraction.channel.name() == loop.name() ? rest : contraction.channel);
  schedule_sum(partial, stored, thread, rank, over, {}, p);
  sum.compute_at(kernel.stages[0], spread_stage(kernel, 0, p.threads_a * p.threads_b, 1));
}

}  // namespace

void contraction(lower::Kernel& kernel, const Schedule& schedule) {
  const Parameters p(schedule);
  join_results(kernel);
  check(kernel, p);
  const int rank = kernel.result_type(0).rank();
  if (p.parts > 1) return schedule_parts(kernel, rank, p);
  Func stage = kernel.stages[0];
  const std::vector<int> extents = kernel.physical_extents(0);
  for (int d = 0; d < rank; ++d) stage.bound(lower::Kernel::physical(d), 0, extents[d]);
  const SumLoops loops = split_sum(kernel.contractions[0], p);
  const Var thread = spread_tiles(stage, rank, p);
  schedule_sum(kernel.contractions[0].func, stage, thread, rank, loops.over, loops.unrolled, p);
  if (kernel.fresh.defined()) kernel.fresh.compute_at(stage, thread);
}

}  // namespace ag::schedule::cuda
