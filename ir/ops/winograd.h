// A 3x3 convolution by Winograd's minimal filtering F(m×m, 3×3).
//
// Tiles of m × m results are computed from (m+2) × (m+2) inputs d and transformed weights u with
// one multiplication per input element and channel instead of nine per result:
//
//   y = Aᵀ [ Σ over i of  u[o,i] ⊙ (Bᵀ d[i] B) ] A,      u[o,i] = G w[o,i] Gᵀ
//
// A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015 (arXiv:1509.09308).
// In f32 the error is at most 1e-4 of the result's range for m = 4, about a tenth of that for m
// = 2.
//
// The compiler puts this op in the place of convolutions (passes/algorithm.h), after
// differentiation: it has no gradient of its own.
#pragma once

#include <vector>

#include "ir/tensor.h"

namespace ag::ops {

// x [batch, i, height, width], u [o, i, m+2, m+2]; tile (m: 2 or 4), padding
// [low0,high0,low1,high1]
extern const OpDef winograd_conv;

}  // namespace ag::ops

namespace ag {

// Rows of small matrices; `input` is Bᵀ, `weights` is G, `output` is Aᵀ.
struct WinogradMatrices {
  using Matrix = std::vector<std::vector<double>>;
  Matrix input, weights, output;

  static const WinogradMatrices& of_tile(int64_t m);  // 2 or 4
};

struct WinogradSpec {
  int64_t tile = 0, low[2] = {0, 0}, high[2] = {0, 0};

  static WinogradSpec of(const Attributes& attributes);
  int64_t patch() const { return tile + 2; }
  int64_t tiles(int64_t extent) const { return (extent + tile - 1) / tile; }
  // How far behind an operand of extent `in` the last tile of a result of extent `out` reaches.
  int64_t reach(int axis, int64_t in, int64_t out) const {
    const int64_t beyond = tiles(out) * tile + 2 - low[axis] - in;
    return beyond > 0 ? beyond : 0;
  }
};

// u of weights w [o, i, 3, 3].
Tensor winograd_weights(Operand w, int64_t tile);
Tensor winograd_conv(Operand x, Operand u, int64_t tile, Integers padding = {});

}  // namespace ag
