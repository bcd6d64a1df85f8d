// Which algorithm the CPU schedules are fastest with.
#pragma once

#include "codegen/target.h"
#include "passes/algorithm.h"

namespace ag {

// Weighs multiply-adds, transforms and streaming weights of the direct kernel and of F(2×2, 3×3)
// and F(4×4, 3×3), in cycles of one core.
class CpuAlgorithmModel : public AlgorithmModel {
 public:
  explicit CpuAlgorithmModel(const Target& target) : target_(target) {}
  int64_t winograd_tile(const Graph& graph, const Node& conv, bool prepared) const override;
  int64_t winograd_weights_tile(const Graph& graph, const Node& conv) const override;

 private:
  const Target& target_;
};

}  // namespace ag
