// Fusion: which values are stored, and which kernels compute them.
//
// What: walks the graph backwards and decides for each value whether it is stored (a root) or
// computed inside the kernels that use it; then merges kernels over the same domain; then writes
// each kernel's body.
//
// Why: memory traffic is what elementwise work costs. A convolution's bias, normalisation,
// activation and residual addition are free while the result is still in registers; a softmax needs
// its rows once; the two sums of batch normalisation, or all values of an optimizer update, are one
// sweep.
//
// Rules, each a function below:
//   - operands of anchors (conv, matmul, window, gather) are stored, but for what is elementwise
//     between a concat and a 1x1 convolution (norm and activation of DenseNet), a prologue;
//   - concats of whole blocks of channels and their operands are stored, so that the operands can
//     be written in place (passes/storage);
//   - an anchor joins the one root it flows into through elementwise ops of its own shape;
//   - a reduction joins the root that has one more axis (softmax rows, the two of a layer norm)
//   where
//     no view moves rows in between, or reduces the same operand;
//   - a sum over positions joins a reshape behind it that makes it an image of one position;
//   - elementwise ops and views join their users; with several users they are recomputed when that
//     moves fewer bytes than storing them; but what completes an anchor is stored in its place;
//   - what parameters alone give is stored where it is a transpose, or elementwise with a parameter
//     of its size: it is computed once;
//   - values that a broadcast repeats are stored unless they are trivial.
// Layouts and buffers are left to passes/layout and codegen/plan.

#include "passes/fuse.h"

#include <algorithm>
#include <set>

#include "passes/fusion_groups.h"

namespace ag {

Graph fuse(const Graph& graph, const FuseOptions& options) {
  FusionGroups groups = choose_roots(graph, options);
  if (options.joins) merge_siblings(graph, groups);
  return build_kernels(graph, groups);
}

}  // namespace ag
