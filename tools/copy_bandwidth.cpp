#include "tools/copy_bandwidth.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace ag {
namespace {

// Source and destination together are more than the last cache of any machine's core complex.
constexpr size_t kBytes = size_t{64} << 20;

}  // namespace

CopyBandwidth::CopyBandwidth(int threads)
    : threads_(threads), source_(kBytes, 1), destination_(kBytes, 2) {}

void CopyBandwidth::burst() {
  const size_t share = kBytes / static_cast<size_t>(threads_);
  auto copy = [&](size_t thread) {
    std::memcpy(destination_.data() + thread * share, source_.data() + thread * share, share);
  };
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (int i = 1; i < threads_; ++i) others.emplace_back(copy, static_cast<size_t>(i));
  copy(0);
  for (std::thread& other : others) other.join();
  const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
  const double bytes = 2 * static_cast<double>(share) * threads_;
  best_ = std::max(best_, bytes / time.count());
}

}  // namespace ag
