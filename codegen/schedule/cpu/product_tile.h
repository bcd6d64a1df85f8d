// The steps that templates of matrix products share.
#pragma once

#include "codegen/lower/kernel.h"

namespace ag::schedule {

// A register tile: rows by vectors of columns.
struct ProductTile {
  int m, n, lanes;
  int width() const { return n * lanes; }
};

// Computes the product at a loop of its consumer, which asks for one tile there, in registers: all
// its positions are unrolled, vectors innermost, inside one loop over the depth.
void schedule_product_tile(const lower::Contraction& product, const ProductTile& tile,
                           const Halide::Func& consumer, const Halide::Var& at);

// Copies what the product reads of its right operand at a loop of `consumer`, columns innermost.
void schedule_panel(lower::Kernel& kernel, const lower::Contraction& product, int lanes,
                    const Halide::Func& consumer, const Halide::Var& at);

}  // namespace ag::schedule
