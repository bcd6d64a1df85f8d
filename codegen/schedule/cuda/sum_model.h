// Which CUDA schedules sum what they store.
#pragma once

#include "passes/join_sums.h"

namespace ag {

// None: the blocks of a grid that compute one channel do not meet.
class CudaSumModel : public SumModel {
 public:
  bool sums_result(const Graph&, std::string_view) const override { return false; }
};

}  // namespace ag
