// A convolution of 3x3 taps along its last two axes by Winograd's minimal filtering F(m×m, 3×3).
//
// Tiles of m × m results are computed from (m+2) × (m+2) inputs d and transformed weights u with
// one multiplication per input element and channel instead of nine per result:
//
//   y = Aᵀ [ Σ over i, k of  u[o,i,k] ⊙ (Bᵀ d[i,k] B) ] A,      u[o,i,k] = G w[o,i,k] Gᵀ
//
// where k are the taps along further spatial axes in front of these two (the frames of a video).
// With a dilation the results of a tile are that far apart: those between belong to other tiles.
//
// A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015 (arXiv:1509.09308).
// In f32 the error is at most 1e-4 of the result's range for m = 4, about a tenth of that for m
// = 2.
//
// The compiler puts this op in the place of convolutions (passes/algorithm.h), after
// differentiation: it has no gradient of its own.
#pragma once

#include <algorithm>
#include <vector>

#include "ir/tensor.h"

namespace ag::ops {

// x [batch, i, …, height, width], u [o, i, taps…, m+2, m+2]; tile (m: 2 or 4), padding
// [low0,high0,…] and dilation [d0,…] of all spatial axes
extern const OpDef winograd_conv;

// The transformed weights of w [o, i, taps…, 3, 3]: [o, i, taps…, m+2, m+2]; tile (m: 2 or 4).
// `transposed` exchanges o and i, `reversed` walks all taps backwards: both together are the
// weights of the gradient towards the image.
extern const OpDef winograd_weights;

// The gradient of such a convolution of images towards its weights w [o, i, 3, 3], by the transpose
// of the same formula:
//
//   dw[o,i] = Gᵀ [ Σ over tiles of  (A dy[o] Aᵀ) ⊙ (Bᵀ d[i] B) ] G
//
// x [batch, i, height, width], dy [batch, o, …]; tile (m: 2 or 4) and padding of the convolution.
extern const OpDef winograd_backward_weights;

}  // namespace ag::ops

namespace ag {

// Rows of small matrices; `input` is Bᵀ, `weights` is G, `output` is Aᵀ.
struct WinogradMatrices {
  using Matrix = std::vector<std::vector<double>>;
  Matrix input, weights, output;

  static const WinogradMatrices& of_tile(int64_t m);  // 2 or 4
  static Matrix transposed(const Matrix& matrix);
  // matrix · x · matrixᵀ
  static Matrix both_sides(const Matrix& matrix, const Matrix& x);
};

// Attributes with all defaults spelled out, one entry per spatial axis; the last two axes have
// tiles.
struct WinogradSpec {
  int64_t tile = 0;
  Integers low, high, dilation;

  static WinogradSpec of(const Attributes& attributes, int spatial_rank);
  static WinogradSpec of(const Node& node) { return of(node.attributes, node.types[0].rank() - 2); }
  int spatial_rank() const { return static_cast<int>(dilation.size()); }
  int64_t patch() const { return tile + 2; }
  // Results from the first of a tile to the first of the next one of the same phase.
  int64_t span(int axis) const { return tile * dilation[axis]; }
  // Tiles along an axis with this many results: tile t starts at result
  // t / dilation * span + t % dilation.
  int64_t tiles(int axis, int64_t extent) const {
    return extent / span(axis) * dilation[axis] + std::min(extent % span(axis), dilation[axis]);
  }
  // How far behind an operand of extent `in` the last tile of a result of extent `out` reaches.
  int64_t reach(int axis, int64_t in, int64_t out) const;
};

Tensor winograd_weights(Operand w, int64_t tile, bool transposed = false, bool reversed = false);
Tensor winograd_conv(Operand x, Operand u, int64_t tile, Integers padding = {},
                     Integers dilation = {});
Tensor winograd_backward_weights(Operand x, Operand dy, int64_t tile, Integers padding = {});

}  // namespace ag
