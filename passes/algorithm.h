// Algorithm choice: which convolutions are computed by another op than conv.
#pragma once

#include "ir/graph.h"

namespace ag {

// The target's opinion: it knows what its schedules cost.
class AlgorithmModel {
 public:
  virtual ~AlgorithmModel() = default;
  // The tile of Winograd's algorithm (2 or 4) for a convolution it can compute, 0: another way.
  // The weights are transformed once, when they are `prepared`, or else in each run.
  virtual int64_t winograd_tile(const Graph& graph, const Node& conv, bool prepared) const = 0;
  // The same for a convolution that is the gradient towards weights of 3x3 taps.
  virtual int64_t winograd_weights_tile(const Graph& graph, const Node& conv) const = 0;
};

// Replaces convolutions by winograd_conv, and those that are gradients towards weights by
// winograd_backward_weights, where the model says so. Weights that depend on leaves
// alone which the graph does not update are transformed once, by `prepare`; those of a training
// step in each run.
//
//   %1 = conv(%x, %w, padding=[1,1,1,1])
// becomes
//   %1 = winograd_weights(%w, tile=4)             # [o,i,m+2,m+2]
//   %2 = winograd_conv(%x, %1, tile=4, padding=[1,1,1,1])
//
// Runs after differentiation and before fusion and layout.
Graph choose_algorithms(const Graph& graph, const AlgorithmModel& model);

}  // namespace ag
