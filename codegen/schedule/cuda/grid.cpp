#include "codegen/schedule/cuda/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/diagnostics.h"

namespace ag::schedule {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

namespace {

// A power of two about the square root.
int group_size(int threads) {
  int size = 1;
  while (size * size < threads) size *= 2;
  return size;
}

// The pure loops of a stage: those that no index of its update takes.
std::vector<Var> pure_loops(const Halide::Stage& stage) {
  std::vector<Var> loops;
  for (const Halide::Internal::Dim& dim : stage.get_schedule().dims()) {
    if (!dim.is_rvar() && dim.var != Var::outermost().name()) loops.emplace_back(dim.var);
  }
  return loops;
}

// Loops over columns and `lanes` threads, one a thread each; the other arguments have one element
// in a block.
template <class Stage>
void spread_in_block(Stage stage, const std::vector<Var>& arguments, const Var* lane,
                     const BlockReduction& shape, const RVar* inside) {
  std::vector<VarOrRVar> order, threads;
  if (inside) order.emplace_back(*inside);
  if (shape.by_rows && lane) threads.emplace_back(*lane);
  if (shape.columns > 1) threads.emplace_back(arguments[0]);
  if (!shape.by_rows && lane) threads.emplace_back(*lane);
  order.insert(order.end(), threads.begin(), threads.end());
  const size_t first = shape.columns > 1 ? 1 : 0;
  order.insert(order.end(), arguments.begin() + static_cast<int64_t>(first), arguments.end());
  if (order.size() > 1) stage.reorder(order);
  if (threads.size() == 1) stage.gpu_threads(threads[0]);
  if (threads.size() == 2) stage.gpu_threads(threads[0], threads[1]);
}

// A last block of fewer columns takes as much memory as the others: the size is a number.
void fix_storage(Func func, const BlockReduction& shape) {
  if (shape.columns > 1) func.bound_storage(func.args()[0], shape.columns);
}

// The loops of `func` over `over` as results of each of `count` threads.
Func spread_sum(const Func& consumer, const Var& block, Func& func, const RVar& lane_of,
                const RVar& inside, const std::string& name, const BlockReduction& shape) {
  const std::vector<Var> arguments = func.args();
  const Var lane(name);
  Func lanes = func.update().rfactor(lane_of, lane);
  lanes.compute_at(consumer, block);
  fix_storage(lanes, shape);
  spread_in_block(lanes, arguments, &lane, shape, nullptr);
  spread_in_block(lanes.update(), arguments, &lane, shape, &inside);
  return lanes;
}

// What is left of a reduction over `rest`, of `count` terms that the block has in shared memory.
void add_rest(const Func& consumer, const Var& block, Func func, RVar rest, int count,
              const BlockReduction& shape) {
  if (count > 8) {
    const RVar group("group"), within("within");
    func.update().split(rest, group, within, group_size(count));
    spread_sum(consumer, block, func, group, within, "group_lane", shape);
    rest = group;
  }
  const std::vector<Var> arguments = func.args();
  spread_in_block(func, arguments, nullptr, shape, nullptr);
  spread_in_block(func.update(), arguments, nullptr, shape, &rest);
}

// A Func of the lanes of a warp, each of which keeps its element in a register.
void keep_in_lanes(Func func, const Func& of_warps, const Var& warp, const Var& lane) {
  func.compute_at(of_warps, warp).store_in(Halide::MemoryType::Register).gpu_lanes(lane);
}

// The loops of `of_warps` over `over`, of 32 lanes that each add up `turn`: what every lane has,
// and then five sums of two, where the second half of the lanes gives the first what it has, and so
// on. Returns what is left, the last of the five.
RVar halve_lanes(Func& of_warps, const Var& warp, const RVar& over, const RVar& turn) {
  const Var lane("of_lane");
  Func of_lanes = of_warps.update().rfactor(over, lane);
  keep_in_lanes(of_lanes, of_warps, warp, lane);
  of_lanes.update().reorder(turn, lane).gpu_lanes(lane);
  RVar rest = over;
  for (int lanes = kWarp / 2; lanes > 1; lanes /= 2) {
    const std::string name = std::to_string(lanes);
    const RVar half("half" + name), within("within" + name);
    const Var of_half("lane" + name);
    of_warps.update().split(rest, half, within, lanes);
    Func halves = of_warps.update().rfactor(within, of_half);
    keep_in_lanes(halves, of_warps, warp, of_half);
    halves.update().reorder(half, of_half).unroll(half).gpu_lanes(of_half);
    rest = within;
  }
  return rest;
}

// Loops of a Func of warps, the first lane of each: an argument of extent 1 keeps the others out.
template <class Stage>
void spread_warps(Stage stage, const std::vector<Var>& arguments, const Var& first, const Var& warp,
                  const BlockReduction& shape, const RVar* inside) {
  std::vector<VarOrRVar> order;
  if (inside) order.emplace_back(*inside);
  order.insert(order.end(), {first, warp});
  order.insert(order.end(), arguments.begin(), arguments.end());
  stage.reorder(order).gpu_lanes(first);
  if (shape.columns > 1)
    stage.gpu_threads(warp, arguments[0]);
  else
    stage.gpu_threads(warp);
}

// The loops of `func` over `member`, of as many threads as a block has for a column, as a sum for
// each warp; returns the loop over these.
RVar reduce_by_warps(const Func& consumer, const Var& block, Func& func, const RVar& member,
                     const RVar& turn, const BlockReduction& shape) {
  if (shape.threads % kWarp != 0 || shape.columns > kWarp)
    throw CompileError(fmt::format("schedule: {} threads for each of {} columns are no warps",
                                   shape.threads, shape.columns));
  const std::vector<Var> arguments = func.args();
  const RVar warp("group"), lane("lane"), lanes("lanes"), first("first");
  const Var of_warp("of_warp"), of_first("of_first");
  func.update().split(member, warp, lane, kWarp).split(lane, lanes, first, 1);
  Func warps = func.update().rfactor({{warp, of_warp}, {first, of_first}});
  warps.compute_at(consumer, block);
  fix_storage(warps, shape);
  const RVar last = halve_lanes(warps, of_warp, lanes, turn);
  warps.update().unroll(last);
  spread_warps(warps, arguments, of_first, of_warp, shape, nullptr);
  spread_warps(warps.update(), arguments, of_first, of_warp, shape, &last);
  return warp;
}

RVar fuse_all(const Func& func, const std::vector<RVar>& variables) {
  RVar over = variables[0];
  for (size_t i = 1; i < variables.size(); ++i) {
    const RVar fused("over" + std::to_string(i));
    Func(func).update().fuse(over, variables[i], fused);
    over = fused;
  }
  return over;
}

// Blocks of `columns` neighbouring elements of a Func; returns the loop over blocks.
Var spread_columns(Func func, int columns) {
  const std::vector<Var> arguments = func.args();
  const Var column("column");
  Var block("block");
  func.split(arguments[0], block, column, columns, TailStrategy::GuardWithIf);
  for (size_t d = 1; d < arguments.size(); ++d) {
    const Var fused("block" + std::to_string(d));
    func.fuse(block, arguments[d], fused);
    block = fused;
  }
  func.reorder(column, block).gpu_blocks(block).gpu_threads(column);
  return block;
}

// The loops of a Func whose updates are ordered: one thread for each element of what they have in
// common, which runs the loops `over` itself.
void spread_ordered(Func func, const std::vector<RVar>& over, int threads) {
  func.compute_root();
  spread_elements(func, func.args(), threads);
  Halide::Stage update = func.update();
  spread_elements(update, pure_loops(update), threads, {over.begin(), over.end()});
}

void schedule_reduction(lower::Reduction& reduction, int threads, const BlockReduction& shape) {
  if (reduction.ordered)
    spread_ordered(reduction.func, reduction.variables, threads);
  else
    reduce_at_root(reduction.func, reduction.variables, reduction.terms, shape);
}

}  // namespace

Var spread_stage(lower::Kernel& kernel, size_t index, int threads, int vector) {
  Func stage = kernel.stages[index];
  std::vector<Var> variables;
  const std::vector<int> extents = kernel.physical_extents(index);
  for (size_t d = 0; d < extents.size(); ++d) {
    variables.push_back(lower::Kernel::physical(static_cast<int>(d)));
    stage.bound(variables[d], 0, extents[d]);
  }
  std::vector<VarOrRVar> inside;
  const Var lane("lane"), first = variables.empty() ? Var() : variables[0];
  if (vector > 1 && !variables.empty()) {
    const Var vectors("vectors");
    stage.split(first, vectors, lane, vector).vectorize(lane);
    variables[0] = vectors;
    inside.emplace_back(lane);
  }
  const Var thread = spread_elements(stage, variables, threads, inside);
  if (kernel.fresh.defined() && !variables.empty()) {
    kernel.fresh.compute_at(stage, thread);
    if (vector > 1) kernel.fresh.vectorize(first);
  }
  return thread;
}

void reduce_in_block(const Func& consumer, const Var& block, Func func, const RVar& over,
                     const BlockReduction& shape) {
  func.compute_at(consumer, block);
  fix_storage(func, shape);
  const RVar turn("turn"), member("member");
  func.update().split(over, turn, member, shape.threads);
  if (shape.lanes) {
    const RVar warp = reduce_by_warps(consumer, block, func, member, turn, shape);
    return add_rest(consumer, block, func, warp, shape.threads / kWarp, shape);
  }
  spread_sum(consumer, block, func, member, turn, "lane", shape);
  add_rest(consumer, block, func, member, shape.threads, shape);
}

void sum_by_threads(Func func, int threads) {
  Func stored = func.in();
  stored.compute_root();
  func.compute_at(stored, spread_elements(stored, stored.args(), threads));
}

void reduce_at_root(Func func, const std::vector<RVar>& variables, int64_t extent,
                    BlockReduction shape) {
  const bool is_scalar = func.args().empty();
  if (is_scalar && extent < kLeastThreads) {
    func.compute_root().gpu_single_thread();
    func.update().gpu_single_thread();
    return;
  }
  if (shape.threads == 1 && !is_scalar) return sum_by_threads(func, shape.columns);
  RVar over = fuse_all(func, variables);
  if (is_scalar) {  // without an argument there is no loop over blocks
    shape.columns = 1;
    shape.parts = std::max(shape.parts, 2);
  }
  shape.parts = static_cast<int>(std::min<int64_t>(shape.parts, extent));
  shape.lanes = shape.lanes && extent / shape.parts > shape.threads;
  if (shape.parts > 1) {
    const RVar part("part"), rest("rest");
    const Var of_part("of_part");
    func.update().split(over, part, rest,
                        static_cast<int>((extent + shape.parts - 1) / shape.parts));
    Func partial = func.update().rfactor(part, of_part);
    Func stored = partial.in();
    stored.compute_root();
    reduce_in_block(stored, spread_columns(stored, is_scalar ? 1 : shape.columns), partial, rest,
                    shape);
    over = part;
    shape.threads = std::max(8, kLeastThreads / shape.columns);
    shape.lanes = false;
  }
  if (is_scalar) {
    func.compute_root().gpu_single_thread();
    func.update().gpu_single_thread();
    return;
  }
  Func stored = func.in();
  stored.compute_root();
  reduce_in_block(stored, spread_columns(stored, shape.columns), func, over, shape);
}

void schedule_roots(lower::Kernel& kernel, int threads, const BlockReduction& shape) {
  for (lower::Contraction& contraction : kernel.contractions)
    sum_by_threads(contraction.func, threads);
  for (lower::Reduction& reduction : kernel.reductions)
    schedule_reduction(reduction, threads, shape);
  for (lower::Kernel::Stored& stored : kernel.stored) {
    const std::vector<Var> variables = stored.func.args();
    for (size_t d = 0; d < variables.size(); ++d)
      stored.func.bound(variables[d], 0, stored.extents[d]);
    stored.func.compute_root();
    spread_elements(stored.func, variables, threads);
  }
}

}  // namespace ag::schedule
