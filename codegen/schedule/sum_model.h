// Which kernels of a target's schedules sum what they store.
#pragma once

#include <memory>

#include "codegen/schedule/caches.h"
#include "codegen/target.h"
#include "passes/join_sums.h"

namespace ag {

// Convolutions of images that `conv_direct` computes, into blocks of channels, with results of more
// than `least_bytes`: smaller ones are still in the second-level cache when a kernel of its own
// sums them, as fast.
class CpuSumModel : public SumModel {
 public:
  explicit CpuSumModel(const Target& target, int64_t least_bytes = kCaches.second)
      : target_(target), least_bytes_(least_bytes) {}
  bool sums_result(const Graph& body, std::string_view kernel_class) const override;

 private:
  const Target& target_;
  int64_t least_bytes_;
};

// The model of the target's family.
std::unique_ptr<SumModel> sum_model_of(const Target& target);

}  // namespace ag
