#include "tools/yardstick.h"

#include <string_view>

#include "codegen/device.h"

namespace ag {
namespace {

constexpr int kCopies = 5;

}  // namespace

Yardstick::Yardstick(const argent_library& library, int threads, bool with_memory) {
  if (std::string_view(library.target).starts_with("cuda")) {
    const DeviceLimits limits = device_limits();
    limits_ = {limits.gflops, with_memory ? limits.gb_per_s : 0, limits.name, true};
    return;
  }
  peak_.emplace(threads);
  if (with_memory) copies_.emplace(threads);
  limits_.instructions = FmaPeak::instructions();
}

void Yardstick::between_runs() {
  if (peak_) peak_->burst();
}

void Yardstick::after_runs() {
  for (int i = 0; copies_ && i < kCopies; ++i) copies_->burst();
}

MachineLimits Yardstick::limits() const {
  MachineLimits limits = limits_;
  if (peak_) limits.peak_gflops = peak_->gflops();
  if (copies_) limits.copy_gb_per_s = copies_->gb_per_s();
  return limits;
}

}  // namespace ag
