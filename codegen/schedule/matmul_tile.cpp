#include "codegen/schedule/matmul_tile.h"

#include <algorithm>

#include "codegen/schedule/register_tile.h"

namespace ag {

int64_t lanes_within(int64_t lanes, int64_t extent) {
  while (lanes > extent) lanes /= 2;
  return lanes;
}

void consider_tile(MatmulTile tile, const MatmulView& product, int64_t lanes, const Target& target,
                   MatmulTile& best) {
  TileStep step;
  step.multiply_adds = static_cast<double>(tile.m * tile.n);
  step.vectors = static_cast<double>(tile.n);
  step.broadcasts = static_cast<double>(tile.m);
  step.accumulators = static_cast<double>(tile.m * tile.n);
  step.used = used_part(product.rows, tile.m) * used_part(product.columns, tile.n * lanes);
  if (!fits_registers(target, step.accumulators, step.vectors, false)) return;
  tile.cost = cost_of(step);
  if (tile.cost < best.cost) best = tile;
}

MatmulTile choose_matmul_tile(const MatmulView& product, int64_t lanes, const Target& target) {
  const int64_t vectors = product.columns % lanes == 0 ? product.columns / lanes : 0;
  MatmulTile best;
  for (int64_t m = 1; m <= std::min<int64_t>(product.rows, 28); ++m) {
    for (int64_t n = 1; n <= 8 && n * lanes <= product.columns; ++n) {
      if (vectors % n != 0) continue;
      consider_tile({m, n}, product, lanes, target, best);
    }
  }
  return best;
}

}  // namespace ag
