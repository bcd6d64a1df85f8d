// Reductions over rows or columns, with whatever is elementwise before and behind them.
//
// A reduction whose result is indexed like the rows of the kernel's result (softmax: maximum, sum)
// is computed per row. Others are computed at the root, in steps where the domain is large: partial
// results over the outermost reduced axis, then groups of these, then their sum, for one vector of
// columns after the other; where there are few vectors, all partial results first, in parallel. The
// partition depends on shapes alone, so results do not depend on the number of threads.
//
// Parameters: parallel (0 or 1).

#include <algorithm>
#include <cmath>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/loops.h"
#include "codegen/schedule/cpu/rows.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

// Below this many elements a second step costs more than it saves.
constexpr int64_t kTwoStepElements = 4096;
// From so many vectors of columns these are the parallel tasks, each with its own parts.
constexpr int64_t kColumnTasks = 8;
// A single reduced axis is cut into parts of at most so many elements.
constexpr int64_t kLongestChain = 128;

struct Shape2 {
  int64_t kept = 1, reduced = 1;
};

// The operand's axis that is innermost in the memory of the largest leaf of that shape, or of its
// rank: a slice keeps its axes.
int innermost_axis(const lower::Kernel& kernel, const Shape& shape) {
  const int rank = static_cast<int>(shape.size());
  int axis = rank - 1;
  for (const BufferForm& form : kernel.operand_forms) {
    if (rank == 0 || form.type.rank() != rank) continue;
    axis = form.type.layout.dims(rank).back().axis;
    if (form.type.shape == shape) break;
  }
  return axis;
}

// The loop variable of an operand's axis that stays: kept axes keep their order.
Var kept_variable(const lower::Reduction& reduction, int axis, int rank) {
  int position = axis;
  for (int reduced : reduction.axes) position -= reduced < axis;
  int kept_rank = rank - static_cast<int>(reduction.axes.size());
  return lower::logical_variables(kept_rank)[kept_rank - 1 - position];
}

// The divisor of `extent` nearest below `most`.
int64_t divisor_up_to(int64_t extent, int64_t most) {
  while (extent % most != 0) --most;
  return most;
}

// What the partial results of a column reduction are summed over (`within`, innermost first), and
// how many partial results there are.
struct Parts {
  RVar part;
  int64_t count;
  std::vector<RVar> within;
};

// Parts are the outermost reduced axis; a single long axis is cut into parts.
Parts find_parts(lower::Reduction& reduction, const Shape& shape) {
  const std::vector<RVar>& variables = reduction.variables;
  int64_t outermost = shape[reduction.axes.back()];
  if (variables.size() > 1)
    return {variables.back(), outermost, {variables.begin(), variables.end() - 1}};
  RVar part("part_of_axis"), within("within");
  int64_t share = divisor_up_to(outermost, kLongestChain);
  reduction.func.update().split(variables[0], part, within, static_cast<int>(share));
  return {part, outermost / share, {within}};
}

// The columns of a sum: vectors of `lanes`, `panel` of which are summed side by side.
struct Columns {
  Var variable;
  int64_t extent;
  int lanes, panel;
};

// Vectors of columns, the reduced loops outside them, those over `parts` outermost; returns the
// loop over vectors, or panels of them.
Var schedule_column_sums(Func& sums, const Columns& columns, const std::vector<RVar>& reduced,
                         const std::vector<Var>& parts = {}) {
  vectorise_kept(sums, columns.variable, columns.lanes, columns.extent);
  Var outer = vectorise_kept(sums.update(), columns.variable, columns.lanes, columns.extent);
  std::vector<VarOrRVar> order{Var("lane")};
  if (columns.panel > 1) {
    const Var vector("vector"), panels("panels");
    sums.update()
        .split(outer, panels, vector, columns.panel, Halide::TailStrategy::RoundUp)
        .unroll(vector);
    order.push_back(vector);
    outer = panels;
  }
  order.insert(order.end(), reduced.begin(), reduced.end());
  order.push_back(outer);
  order.insert(order.end(), parts.begin(), parts.end());
  sums.update().reorder(order);
  return outer;
}

// Vectors that lie side by side in a row of memory are summed side by side: a single one would be
// read from every row, a few bytes of each page. Of blocked channels each vector is a stretch of
// its own.
int panel_of(const lower::Kernel& kernel, const lower::Reduction& reduction, int axis, int lanes) {
  constexpr int64_t kMostSums = 8;
  const Shape& shape = operand_shape(kernel, reduction);
  const int rank = static_cast<int>(shape.size());
  const int64_t vectors = shape[axis] / lanes;
  if (shape[axis] % lanes != 0 || axis != rank - 1 || is_arg(reduction)) return 1;
  for (const BufferForm& form : kernel.operand_forms) {
    if (form.type.shape == shape && !form.type.layout.is_row_major()) return 1;
  }
  const auto sums = static_cast<int64_t>(reduction.func.types().size());
  return static_cast<int>(
      divisor_up_to(vectors, std::clamp<int64_t>(kMostSums / sums, 1, vectors)));
}

// The sum of the parts, in groups: rounding grows with the length of the last chain of additions,
// while that of the parts themselves averages out. Returns the loop over vectors of columns.
Var schedule_sum_of_parts(Func& func, const Parts& parts, const Columns& columns) {
  int64_t most = static_cast<int64_t>(std::sqrt(static_cast<double>(parts.count)));
  int64_t size = divisor_up_to(parts.count, most);
  RVar group("group"), member("member");
  Var of_group("of_group");
  func.update().split(parts.part, group, member, static_cast<int>(size));
  Func group_sum = func.update().rfactor(group, of_group);
  Var outer = schedule_column_sums(func, columns, {group});
  group_sum.compute_at(func, outer);
  schedule_column_sums(group_sum, columns, {member});
  return outer;
}

// Sums of neighbouring parts, side by side, do not wait for each other.
void sum_parts_together(Func& partial, const Parts& parts, const Var& part) {
  const Var together("together");
  const int chains =
      static_cast<int>(divisor_up_to(parts.count, std::min<int64_t>(parts.count, 4)));
  std::vector<VarOrRVar> order{Var("lane"), together};
  order.insert(order.end(), parts.within.begin(), parts.within.end());
  partial.update().split(part, part, together, chains).reorder(order).unroll(together);
}

// A column reduction (the innermost axis stays): vectors of columns, reduced loops outside them.
void schedule_columns(lower::Kernel& kernel, lower::Reduction& reduction, int axis, bool parallel) {
  const Shape& shape = operand_shape(kernel, reduction);
  const int lanes = vector_lanes(kernel.target, reduction.func.types(), shape[axis]);
  const Columns columns{kept_variable(reduction, axis, static_cast<int>(shape.size())), shape[axis],
                        lanes, panel_of(kernel, reduction, axis, lanes)};
  Func& func = reduction.func;
  func.compute_root();
  int64_t outermost = shape[reduction.axes.back()];
  bool has_parts = reduction.axes.size() > 1 ? outermost > 1 : outermost > kLongestChain;
  has_parts = has_parts && !is_arg(reduction);
  if (element_count(shape) < kTwoStepElements || !has_parts) {
    schedule_column_sums(func, columns, reduction.variables);
    return;
  }
  Parts parts = find_parts(reduction, shape);
  Var part("part");
  Func partial = func.update().rfactor(parts.part, part);
  schedule_column_sums(partial, columns, parts.within, {part});
  if (columns.panel == 1) sum_parts_together(partial, parts, part);
  const Var outer = schedule_sum_of_parts(func, parts, columns);
  if (columns.extent / (lanes * columns.panel) >= kColumnTasks || !parallel) {
    partial.compute_at(func, outer);
    if (parallel) func.update().parallel(outer);
    return;
  }
  partial.compute_root();
  if (parallel) partial.update().parallel(part);
}

// Whether the reduction's result has one element per row of the kernel's results.
bool is_per_row(const lower::Kernel& kernel, const lower::Reduction& reduction) {
  const TensorType& kept = kernel.body.node(reduction.nodes[0]).types[0];
  const TensorType& result = kernel.result_forms[0].type;
  int rows = kept.rank();
  if (!result.layout.is_row_major() || result.rank() != rows + 1 || kernel.results.size() != 1)
    return false;
  return std::equal(kept.shape.begin(), kept.shape.end(), result.shape.begin());
}

// Rows whose steps are computed together, so that one waits for its sums while the next is read: as
// many as stay in the first-level cache. Their loop becomes the one to compute at.
void group_rows(const lower::Kernel& kernel, RowLoop& row) {
  constexpr int64_t kMostRows = 4, kMostElements = 2048;
  const int64_t width = kernel.result_type(0).shape.back();
  const int64_t rows = std::min({kMostRows, kMostElements / width, int64_t{row.extent} / 2});
  if (rows < 2 || kernel.overwrites_operand()) return;
  const Var group("group"), member("member");
  row.stage.split(row.loop, group, member, static_cast<int>(rows),
                  Halide::TailStrategy::ShiftInwards);
  row.loop = group;
}

}  // namespace

void reduction(lower::Kernel& kernel, const Schedule& schedule) {
  bool parallel = schedule.at("parallel") != 0;
  join_results(kernel);
  RowLoop row;
  for (size_t i = 0; i < kernel.stages.size(); ++i) row = schedule_stage(kernel, i, parallel);
  const bool any_per_row =
      row.defined && std::any_of(kernel.reductions.begin(), kernel.reductions.end(),
                                 [&](const auto& item) { return is_per_row(kernel, item); });
  const RowValues values =
      any_per_row ? find_row_values(kernel, kernel.result_type(0).shape) : RowValues();
  if (!values.of_elements.empty()) group_rows(kernel, row);
  for (lower::Reduction& item : kernel.reductions) {
    const Shape& shape = operand_shape(kernel, item);
    int innermost = innermost_axis(kernel, shape);
    bool vanishes = std::find(item.axes.begin(), item.axes.end(), innermost) != item.axes.end();
    bool standard =
        kernel.body.node(item.nodes[0]).operands.size() == 1;  // a reduction, not a contraction
    if (row.defined && is_per_row(kernel, item)) {
      const RowPlace per_row = [&](Func func) { func.compute_at(row.stage, row.loop); };
      per_row(item.func);
      if (standard) schedule_row(kernel, item, per_row);
    } else if (standard && !vanishes && !shape.empty()) {
      schedule_columns(kernel, item, innermost, parallel);
    } else {
      item.func.compute_root();
      if (standard) schedule_row(kernel, item, [](Func func) { func.compute_root(); });
    }
  }
  schedule_row_values(kernel, values, [&](Func func) { func.compute_at(row.stage, row.loop); });
}

}  // namespace ag::schedule
