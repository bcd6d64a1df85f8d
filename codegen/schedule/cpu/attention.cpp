// Attention: a product, what is computed of its rows, and the product of these rows with another
// matrix, in one sweep that never stores all scores.
//
// Some rows at a time: their scores are computed in register tiles and wait in scratch, with what
// is elementwise behind them where it goes to the reductions of rows alone (a bias, a mask); the
// rows are reduced and become probabilities, in scratch as well; then register tiles of the result
// sum probabilities by values. Rows in scratch are a whole number of vectors apart. Blocks of rows
// of one matrix are neighbours in a task, which copies a right operand once that is stored by
// columns. The last blocks and tiles overlap their neighbours.
//
// Parameters: rows: of a block; score_m, score_n, score_lanes: register tile of scores, rows by
// vectors of columns; value_m, value_n, value_lanes: of results; pack_scores, pack_values (0 or 1):
// the right operand is copied, columns innermost; task_blocks: blocks of a parallel task, 0: all on
// one thread.

#include <fmt/format.h>

#include <algorithm>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/loops.h"
#include "codegen/schedule/cpu/product_tile.h"
#include "codegen/schedule/cpu/rows.h"
#include "ir/ops/contract.h"

namespace ag::schedule {
namespace {

using Halide::Func;
using Halide::TailStrategy;
using Halide::Var;
using Halide::VarOrRVar;

constexpr std::string_view kName = "attention";

struct Parameters {
  int rows, task_blocks;
  ProductTile score, result;
  bool pack_scores, pack_values;

  explicit Parameters(const Schedule& schedule)
      : rows(value(schedule, "rows")),
        task_blocks(value(schedule, "task_blocks")),
        score{value(schedule, "score_m"), value(schedule, "score_n"),
              value(schedule, "score_lanes")},
        result{value(schedule, "value_m"), value(schedule, "value_n"),
               value(schedule, "value_lanes")},
        pack_scores(value(schedule, "pack_scores") != 0),
        pack_values(value(schedule, "pack_values") != 0) {}
};

[[noreturn]] void refuse(const std::string& why) {
  throw CompileError(fmt::format("schedule: {} {}", kName, why))
      .help("schedule this kernel with contraction_plain");
}

void check_tile(const ProductTile& tile, int rows, int64_t columns) {
  if (tile.m < 1 || tile.n < 1 || tile.lanes < 1 || tile.m > rows || tile.width() > columns)
    refuse(fmt::format("has a tile of {} x {} for {} rows and {} columns", tile.m, tile.width(),
                       rows, columns));
}

// The kernel's parts by role.
struct Parts {
  lower::Contraction& score;
  lower::Contraction& result;
  Shape shape;         // of scores
  Func scores;         // what is stored of them
  int scores_node;     // of the body
  Func probabilities;  // the left operand of the second product
};

// The node that scores are stored as: behind the product, through elementwise ops that each have
// one user, up to what is reduced; the product itself where there is none.
int stored_scores(const lower::Kernel& kernel, int product) {
  const Graph& body = kernel.body;
  std::vector<std::vector<int>> users(body.size());
  std::vector<bool> reduced(body.size(), false);
  for (int i = 0; i < body.size(); ++i) {
    for (Value operand : body.node(i).operands) users[operand.node].push_back(i);
  }
  for (const lower::Reduction& item : kernel.reductions) {
    for (int node : item.nodes) reduced[body.node(node).operands[0].node] = true;
  }
  int node = product;
  while (!reduced[node] && users[node].size() == 1 && body.node(users[node][0]).op->pointwise)
    node = users[node][0];
  return reduced[node] ? node : product;
}

Parts find_parts(lower::Kernel& kernel) {
  if (kernel.contractions.size() != 2) refuse("wants two products");
  lower::Contraction *first = &kernel.contractions[0], *second = &kernel.contractions[1];
  if (first->node > second->node) std::swap(first, second);
  const Node& last = kernel.body.node(second->node);
  const Value left = last.operands[0];
  const TensorType& result = kernel.result_type(0);
  if (!last.is(ops::matmul) || result.shape != last.types[0].shape ||
      !result.layout.is_row_major() || kernel.overwrites_operand())
    refuse("wants a result of its own, stored by rows");
  join_results(kernel);
  if (kernel.stages.size() != 1) refuse("wants results with equal extents");
  const int node = stored_scores(kernel, first->node);
  const Func scores = node == first->node ? first->func.in() : kernel.values[node][0];
  return {*first, *second, kernel.body.node(first->node).types[0].shape,
          scores, node,    kernel.values[left.node][left.result]};
}

// The loops of the result outside its register tiles.
struct Loops {
  Var tile{"m_out"}, block{"block"}, task{"task"};
};

Loops schedule_result(const lower::Kernel& kernel, Func stage, const Parameters& p) {
  Loops loops;
  const std::vector<int> extents = kernel.physical_extents(0);
  const int rank = static_cast<int>(extents.size());
  for (int d = 0; d < rank; ++d) stage.bound(lower::Kernel::physical(d), 0, extents[d]);
  const Var n_out("n_out"), n_in("n_in"), vector("vector"), lane("lane"), m("m"), m_in("m_in");
  const int blocks = (extents[1] + p.rows - 1) / p.rows;
  stage.split(lower::Kernel::physical(0), n_out, n_in, p.result.width(), TailStrategy::ShiftInwards)
      .split(n_in, vector, lane, p.result.lanes)
      .split(lower::Kernel::physical(1), loops.block, m, p.rows, TailStrategy::ShiftInwards)
      .split(m, loops.tile, m_in, p.result.m, TailStrategy::ShiftInwards)
      .split(loops.block, loops.task, loops.block, p.task_blocks > 0 ? p.task_blocks : blocks,
             TailStrategy::GuardWithIf);
  std::vector<VarOrRVar> order{lane, vector, m_in, loops.tile, n_out, loops.block, loops.task};
  for (int d = 2; d < rank; ++d) order.push_back(lower::Kernel::physical(d));
  stage.reorder(order).vectorize(lane).unroll(vector).unroll(m_in);
  for (int d = 2; d < rank; ++d) {
    const Var fused("task" + std::to_string(d));
    stage.fuse(loops.task, lower::Kernel::physical(d), fused);
    loops.task = fused;
  }
  if (p.task_blocks > 0) stage.parallel(loops.task);
  return loops;
}

// Scores of a block, in register tiles.
void schedule_scores(const Parts& parts, const Func& stage, const Loops& loops,
                     const Parameters& p) {
  Func scores = parts.scores;
  const Var column = scores.args()[0], row = scores.args()[1];
  const Var n_out("n_out"), n_in("n_in"), vector("vector"), lane("lane"), m_out("m_out"),
      m_in("m_in");
  scores.compute_at(stage, loops.block)
      .bound_extent(column, static_cast<int>(parts.shape.back()))
      .align_storage(column, p.score.lanes)
      .bound_extent(row, p.rows)
      .split(column, n_out, n_in, p.score.width(), TailStrategy::ShiftInwards)
      .split(n_in, vector, lane, p.score.lanes)
      .split(row, m_out, m_in, p.score.m, TailStrategy::ShiftInwards)
      .reorder(lane, vector, m_in, m_out, n_out)
      .vectorize(lane)
      .unroll(vector)
      .unroll(m_in);
  schedule_product_tile(parts.score, p.score, scores, m_out);
}

// Probabilities of a block: some rows together, so that one waits for its sums while the next is
// read; with them what is computed once a row.
void schedule_rows(lower::Kernel& kernel, const Parts& parts, const Func& stage, const Loops& loops,
                   const Parameters& p) {
  constexpr int64_t kMostRows = 4, kMostElements = 2048;
  Func rows = parts.probabilities;
  const int64_t width = parts.shape.back();
  const Var column = rows.args()[0], row = rows.args()[1];
  const Var vectors("vectors"), lane("lane"), group("group"), member("member");
  const int64_t together =
      std::clamp<int64_t>(kMostElements / width, 1, std::min<int64_t>(kMostRows, p.rows));
  rows.compute_at(stage, loops.block)
      .bound_extent(column, static_cast<int>(width))
      .align_storage(column, p.score.lanes)
      .bound_extent(row, p.rows)
      .split(column, vectors, lane, vector_lanes(kernel.target, rows.types(), width),
             TailStrategy::ShiftInwards)
      .split(row, group, member, static_cast<int>(together), TailStrategy::ShiftInwards)
      .vectorize(lane);
  const RowPlace place = [&](Func func) { func.compute_at(rows, group); };
  for (lower::Reduction& item : kernel.reductions) {
    place(item.func);
    schedule_row(kernel, item, place);
  }
  RowValues values = find_row_values(kernel, parts.shape);
  std::erase(values.of_elements, parts.scores_node);
  schedule_row_values(kernel, values, place);
}

}  // namespace

void attention(lower::Kernel& kernel, const Schedule& schedule) {
  const Parameters p(schedule);
  const Parts parts = find_parts(kernel);
  const int64_t height = parts.shape[parts.shape.size() - 2];
  if (p.rows < 1 || p.rows > height) refuse(fmt::format("has {} of {} rows", p.rows, height));
  check_tile(p.score, p.rows, parts.shape.back());
  check_tile(p.result, p.rows, kernel.result_type(0).shape.back());
  const Func stage = kernel.stages[0];
  const Loops loops = schedule_result(kernel, stage, p);
  schedule_product_tile(parts.result, p.result, stage, loops.tile);
  schedule_scores(parts, stage, loops, p);
  schedule_rows(kernel, parts, stage, loops, p);
  if (p.pack_scores) schedule_panel(kernel, parts.score, p.score.lanes, stage, loops.task);
  if (p.pack_values) schedule_panel(kernel, parts.result, p.result.lanes, stage, loops.task);
}

}  // namespace ag::schedule
