// The most f32 arithmetic this machine does: what speeds are compared with.
#pragma once

#include <string_view>

namespace ag {

// Multiply-adds on registers alone, in as many independent chains as the processor's units need, at
// the highest level it has: AVX-512, AVX2 with FMA, SSE (a multiply and an add), NEON.
class FmaPeak {
 public:
  // `threads` of them work at the same time.
  explicit FmaPeak(int threads);

  // One burst, of about this long where it is more than a tenth of a millisecond. Call it between
  // the runs of what is measured, so that both meet the same clock; a burst as long as a run meets
  // the same interruptions too. The bursts of one thread are timed on the processor: other
  // programs' turns do not count.
  void burst(double seconds = 2e-4);

  double gflops() const { return best_; }  // of the best burst so far, of all threads
  static std::string_view instructions();  // "AVX-512"

 private:
  int threads_;
  double best_ = 0;
};

}  // namespace ag
