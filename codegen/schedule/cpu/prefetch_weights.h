// A custom lowering pass for weights that arrive from beyond the second-level cache.
#pragma once

#include <Halide.h>

namespace ag::schedule {

// Innermost loops that read vectors of the weights ask for those some vectors further on:
//
//   for c: sum = sum + w[ramp(c*16, 1, 16)]*x16(in[…])
//
// becomes
//
//   for c: prefetch(w, c*16 + 256)
//          sum = sum + w[ramp(c*16, 1, 16)]*x16(in[…])
//
// The address may lie beyond the buffer; a prefetch does not fault.
class PrefetchWeights : public Halide::Internal::IRMutator {
 public:
  // `ahead`: in vectors.
  PrefetchWeights(std::string weights, int ahead) : weights_(std::move(weights)), ahead_(ahead) {}

 private:
  using Halide::Internal::IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For* loop) override;

  std::string weights_;  // the buffer's name
  int ahead_;
};

}  // namespace ag::schedule
