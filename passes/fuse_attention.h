// The fusion of attention: two matrix products and the rows between them become one kernel.
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace ag {

// The target's opinion: it knows whether it has a schedule for such a kernel, and what it costs.
class AttentionModel {
 public:
  virtual ~AttentionModel() = default;
  // Whether one kernel with this body is faster than its three parts.
  virtual bool pays(const Graph& body) const = 0;
};

// Joins a product, the softmax of its rows with what is elementwise around it, and the product of
// these rows with another matrix into one kernel of class "attention", where the model says so. Its
// scores and probabilities are never stored as a whole: a schedule computes some rows of them at a
// time. Batch axes, masks, biases and scales are whatever the three kernels had.
//
//   %1: f32[2,3,197,197] = kernel(%q, %k, class="matmul", body=… matmul …)
//   %2: f32[2,3,197,197] = kernel(%1, %bias, class="reduction", body=… softmax …)
//   %3: f32[2,3,197,64] = kernel(%2, %v, class="matmul", body=… matmul …)
// becomes
//   %1: f32[2,3,197,64] = kernel(%q, %k, %bias, %v, class="attention", body=… all three …)
//
// Only where nothing else reads the scores or the probabilities: a training step, whose gradient
// reads the latter, keeps its three kernels. Runs after `fuse`, which makes these kernels, and
// before `layout`.
Graph fuse_attention(const Graph& graph, const AttentionModel& model);

}  // namespace ag
