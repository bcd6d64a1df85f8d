#include <algorithm>

#include "codegen/schedule/attention_view.h"
#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/register_tile.h"
#include "codegen/schedule/tasks.h"
#include "ir/ops/contract.h"

namespace ag {
namespace {

// Floating-point operations that the softmax of an element takes the time of.
constexpr double kWorkOfElement = 60;

bool is_row_major(const KernelView& kernel, const Node& values) {
  const BufferForm& form = kernel.results[0];
  return kernel.results.size() == 1 && form.type.shape == values.types[0].shape &&
         form.type.layout.is_row_major();
}

// Blocks of rows of a task: each task copies a right operand again that is stored by columns.
int64_t blocks_of_task(const MatmulView& scores, int64_t blocks, double work, bool packs) {
  constexpr double kWorkOfCopy = 32;  // of an element, gathered
  const double copy = packs ? kWorkOfCopy * static_cast<double>(scores.columns * scores.depth) : 0;
  const double units = static_cast<double>(scores.batch) * static_cast<double>(blocks);
  int64_t best = blocks;
  double least = 1e30;
  for (int64_t per = blocks; per >= 1; --per) {
    const int64_t tasks = scores.batch * ((blocks + per - 1) / per);
    const double more = static_cast<double>(tasks) * (kClaimWork + copy) / work;
    const double time = task_imbalance(tasks, static_cast<double>(per), units) * (1 + more);
    if (time >= least) continue;
    least = time;
    best = per;
  }
  return best;
}

}  // namespace

std::optional<AttentionView> AttentionView::of(const Graph& body, const Target& target) {
  std::vector<const Node*> products;
  for (int i = 0; i < body.size(); ++i) {
    if (body.node(i).is(ops::matmul)) products.push_back(&body.node(i));
  }
  if (products.size() != 2) return std::nullopt;
  return AttentionView{products[0], products[1], MatmulView::of(body, *products[0], target),
                       MatmulView::of(body, *products[1], target)};
}

AttentionTiles AttentionTiles::of(const AttentionView& view, const Target& target) {
  constexpr int64_t kLeastRows = 8, kRowsTogether = 4;
  constexpr double kAlike = 1.001;
  const int64_t rows = view.scores_view.rows;
  // Scores and probabilities of the rows stay in the first-level cache.
  const int64_t fits = kCaches.first / (view.scores_view.columns * 2 * 4);
  const int64_t most = std::min(rows, std::max(fits, kLeastRows));
  MatmulView scores = view.scores_view, values = view.values_view;
  const int64_t score_lanes = lanes_within(scores.lanes, scores.columns);
  const int64_t value_lanes = lanes_within(values.lanes, values.columns);
  const auto depths = static_cast<double>(scores.depth + values.columns);
  AttentionTiles best;
  for (int64_t r = std::min(most, kLeastRows); r <= most; ++r) {
    AttentionTiles tiles{r};
    scores.rows = values.rows = r;
    tiles.scores = choose_matmul_tile(scores, score_lanes, target);
    tiles.values = choose_matmul_tile(values, value_lanes, target);
    const int64_t blocks = (rows + r - 1) / r;
    const double computed = static_cast<double>(blocks * r) / static_cast<double>(rows);
    const double softmax = kSoftmaxCycles / depths / used_part(r, kRowsTogether);
    tiles.cost = computed * ((tiles.scores.cost + tiles.values.cost) / 2 + softmax);
    if (tiles.cost <= best.cost * kAlike) best = tiles;
  }
  return best;
}

Schedule choose_attention(const KernelView& kernel) {
  const std::optional<AttentionView> view = AttentionView::of(kernel.body, kernel.target);
  if (!view || !is_row_major(kernel, *view->values)) {
    return {"contraction_plain", {{"parallel", 1}}};
  }
  const AttentionTiles tiles = AttentionTiles::of(*view, kernel.target);
  const MatmulView &scores = view->scores_view, &values = view->values_view;
  const auto elements = static_cast<double>(scores.batch * scores.rows * scores.columns);
  const double work = elements * static_cast<double>(2 * (scores.depth + values.columns)) +
                      elements * kWorkOfElement;
  const int64_t blocks = (scores.rows + tiles.rows - 1) / tiles.rows;
  const bool packs = !columns_innermost(kernel, *view->scores);
  return {"attention",
          {{"rows", tiles.rows},
           {"score_m", tiles.scores.m},
           {"score_n", tiles.scores.n},
           {"score_lanes", lanes_within(scores.lanes, scores.columns)},
           {"value_m", tiles.values.m},
           {"value_n", tiles.values.n},
           {"value_lanes", lanes_within(values.lanes, values.columns)},
           {"pack_scores", packs},
           {"pack_values", !columns_innermost(kernel, *view->values)},
           {"task_blocks", work < kSharedWork ? 0 : blocks_of_task(scores, blocks, work, packs)}}};
}

}  // namespace ag
