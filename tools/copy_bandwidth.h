// The most memory traffic this machine does: the other half of the roofline, beside
// tools/fma_peak.h.
#pragma once

#include <cstddef>
#include <vector>

namespace ag {

// Copies of memory that no cache holds, by several threads at the same time.
class CopyBandwidth {
 public:
  explicit CopyBandwidth(int threads);

  // One copy, of some 10 ms. It takes everything else out of the caches.
  void burst();

  // Read and written, in the best burst so far, of all threads.
  double gb_per_s() const { return best_; }

 private:
  int threads_;
  std::vector<char> source_, destination_;
  double best_ = 0;
};

}  // namespace ag
