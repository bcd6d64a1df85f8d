// Attention as the choosers of schedules see it: two products and the rows between them.
#pragma once

#include <optional>

#include "codegen/schedule/matmul_tile.h"

namespace ag {

struct AttentionView {
  const Node *scores, *values;  // the products, of the body
  MatmulView scores_view, values_view;

  // Nothing where the body is not two products, the second of which reads what rows give.
  static std::optional<AttentionView> of(const Graph& body, const Target& target);
};

// Rows of scores that are computed together, and the register tiles of both products.
struct AttentionTiles {
  int64_t rows = 1;
  MatmulTile scores, values;
  double cost = 1e30;  // cycles per useful multiply-add of both products, softmax included

  static constexpr double kSoftmaxCycles = 30;  // of a vector of scores

  static AttentionTiles of(const AttentionView& view, const Target& target);
};

}  // namespace ag
