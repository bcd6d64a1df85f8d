#include "codegen/schedule/cuda/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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
  spread_sum(consumer, block, func, member, turn, "lane", shape);
  RVar rest = member;
  if (shape.threads > 8) {
    const RVar group("group"), within("within");
    func.update().split(member, group, within, group_size(shape.threads));
    spread_sum(consumer, block, func, group, within, "group_lane", shape);
    rest = group;
  }
  const std::vector<Var> arguments = func.args();
  spread_in_block(func, arguments, nullptr, shape, nullptr);
  spread_in_block(func.update(), arguments, nullptr, shape, &rest);
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
