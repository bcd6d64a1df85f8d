// Sums over positions, computed by the kernel that stores what they sum.
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace ag {

// The target's opinion: it knows its schedules.
class SumModel {
 public:
  virtual ~SumModel() = default;
  // Whether the kernel with this body, of the given class (see passes/fuse.h), can sum its one
  // result over the positions of each channel as it stores it.
  virtual bool sums_result(const Graph& body, std::string_view kernel_class) const = 0;
};

// Makes a reduction over positions (a mean of squeeze-and-excitation, a global pool) the second
// result of the kernel it reads from, where the model says so.
//
//   %1: f32[1,96,56,56] = kernel(%x, %w, class="conv", body=… return y0=%3)
//   %2: f32[1,96] = kernel(%1, class="reduction", body=… %1 = reduce_sum(%x0, axes=[2,3]) …)
// becomes
//   %1: f32[1,96,56,56], %2: f32[1,96] = kernel(%x, %w, class="conv",
//       body=… %4 = reduce_sum(%3, axes=[2,3]) … return y0=%3, y1=%4)
//
// Runs after fusion and before layout.
Graph join_sums(const Graph& graph, const SumModel& model);

}  // namespace ag
