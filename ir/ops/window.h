// Sliding windows over the trailing axes: maximum, sum, and what their gradients need.
//
// Window y of an axis covers the elements y·stride + k·dilation − low for taps k in [0, window).
// Taps of several axes are numbered in row-major order.
#pragma once

#include <utility>

#include "ir/tensor.h"

namespace ag::ops {

// All have window, stride, padding [low0,high0,low1,high1,…] (not negative), dilation; one entry
// (padding: two) per trailing axis that slides.

// Two results: the maximum, and the tap (i32) where it stands, the first one of equals. Padding
// never wins.
extern const OpDef max_pool;
extern const OpDef sum_pool;  // padding counts as zero
// (dy, taps): each dy added to the element its tap stands on; the result has the declared type.
extern const OpDef window_scatter;
// (x, taps): the element each tap stands on; zero where it stands on padding.
extern const OpDef window_gather;

}  // namespace ag::ops

namespace ag {

// Window attributes with defaults spelled out, one entry per sliding axis.
struct WindowSpec {
  Integers window, stride, low, high, dilation;

  static WindowSpec of(const Attributes& attributes);
  static WindowSpec of(const Node& node) { return of(node.attributes); }
  int sliding_rank() const { return static_cast<int>(window.size()); }
  // Elements from the first to the last tap.
  int64_t reach(int axis) const { return (window[axis] - 1) * dilation[axis] + 1; }
  int64_t taps() const { return element_count(window); }
  Attributes attributes() const;
};

struct PoolOptions {
  Integers window;
  Integers stride = {};  // empty: the window
  Integers padding = {};
  Integers dilation = {};
  bool ceil_mode = false;  // a last window that only partly fits counts too (PyTorch's rule)
};

Tensor max_pool(Operand x, PoolOptions options);
std::pair<Tensor, Tensor> max_pool_with_taps(Operand x, PoolOptions options);
Tensor sum_pool(Operand x, PoolOptions options);
Tensor window_scatter(Operand dy, Operand taps, TensorType type, const WindowSpec& spec);
Tensor window_gather(Operand x, Operand taps, const WindowSpec& spec);

// The options as a spec for an operand of `shape`, ceil_mode turned into padding at the high end.
WindowSpec window_spec(const PoolOptions& options, const Shape& shape);

}  // namespace ag
