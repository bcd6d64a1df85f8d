// The register tile of a matrix product.
#pragma once

#include "codegen/schedule/matmul_view.h"

namespace ag {

struct MatmulTile {
  int64_t m = 1, n = 1;  // rows by vectors of columns
  double cost = 1e30;    // cycles per useful multiply-add
};

// Lanes for an extent: of a vector, or of the part of one that the extent fills.
int64_t lanes_within(int64_t lanes, int64_t extent);

// Takes a tile of m rows by n vectors where it is better.
void consider_tile(MatmulTile tile, const MatmulView& product, int64_t lanes, const Target& target,
                   MatmulTile& best);

// The tile of least cost; one that divides the columns where vectors do, so that every tile is
// whole.
MatmulTile choose_matmul_tile(const MatmulView& product, int64_t lanes, const Target& target);

}  // namespace ag
