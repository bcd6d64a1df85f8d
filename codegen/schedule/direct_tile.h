// The register tile of a direct convolution.
#pragma once

#include "codegen/schedule/direct_view.h"

namespace ag {

struct DirectTile {
  static constexpr double kImpossible = 1e30;

  int64_t x = 1, y = 1, k = 1;  // positions by blocks of output channels
  int64_t span = 0;  // columns that tiles of x columns and a narrower one cover; 0: tiles overlap
  int64_t unroll_taps = 0;
  double cost = kImpossible;  // cycles per useful multiply-add

  bool divides(const DirectView& view, int64_t phase) const {
    return (span > 0 || view.width % x == 0) && view.height % (y * phase) == 0;
  }
};

// The tile of least cost, for rows of `phase` phases; `only_dividing`: of those that no image ends
// inside of. Its cost is kImpossible where there is none.
DirectTile choose_direct_tile(const DirectView& view, int64_t phase, bool only_dividing = false);

// Where there are fewer inputs than vectors of weights, these come one by one.
bool has_blocks_outside(const DirectView& view, const DirectTile& tile);

}  // namespace ag
