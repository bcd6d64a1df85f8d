// What the speed of a program is compared with: measured limits of the processor, or the stated
// ones of a CUDA device.
#pragma once

#include <optional>

#include "runtime/argent_abi.h"
#include "tools/copy_bandwidth.h"
#include "tools/fma_peak.h"
#include "tools/measurement.h"

namespace ag {

class Yardstick {
 public:
  // For what the library is compiled for; `with_memory`: the bandwidth, too.
  Yardstick(const argent_library& library, int threads, bool with_memory);

  // Between runs of what is measured, so that both meet the same clock.
  void between_runs();
  // Behind them: it leaves nothing of them in the caches.
  void after_runs();
  MachineLimits limits() const;

 private:
  std::optional<FmaPeak> peak_;
  std::optional<CopyBandwidth> copies_;
  MachineLimits limits_;  // what is not measured
};

}  // namespace ag
