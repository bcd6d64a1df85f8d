// The fusion pass: which values are stored, and which kernels compute them.
#pragma once

#include "ir/graph.h"

namespace ag {

struct FuseOptions {
  // false: every op but views and generators is a kernel of its own, to see what fusion is worth.
  bool joins = true;
};

// Groups the primitives of a graph into kernels. What is left are leaves, kernels and outputs.
//
//   %1: f32[8,64,56,56] = conv(%x, %w, padding=[1,1,1,1])
//   %2: f32[8,64,56,56] = broadcast(%b, axes=[1])
//   %3: f32[8,64,56,56] = add(%1, %2)
//   %4: f32[8,64,56,56] = relu(%3)
// becomes
//   %1: f32[8,64,56,56] = kernel(%x, %w, %b, class="conv", body=graph @body(…) {…})
//
// A kernel is built around at most one anchor, whose class it takes: "conv", "matmul", "window"
// (pooling and its gradients), "gather", "reduction" (one or several over the same rows or
// columns); without one it is "concat" or "slice" where it is just that, of stored values, else
// "pointwise".
Graph fuse(const Graph& graph, const FuseOptions& options = {});

}  // namespace ag
