// A custom lowering pass for the last block of channels where half of it or more is padding.
#pragma once

#include <Halide.h>

namespace ag::schedule {

// 24 channels are stored in two blocks of 16, and half the lanes of every second vector are
// padding: results that are thrown away,
//
//   out[ramp(x, 1, 16)] = select(ramp(16, 1, 16) < x16(24), relu(sum[ramp(16, 1, 16)]), x16(0))
//
// become vectors of half the width followed by zeros, and so do the sums they come from, where no
// other vector reads these:
//
//   sum[ramp(16, 1, 8)] = sum[ramp(16, 1, 8)] + w[ramp(y, 1, 8)]*x8(in[z])
//   out[ramp(x, 1, 16)] = concat(relu(sum[ramp(16, 1, 8)]), x8(0))
//
// A processor that works off 512-bit vectors in two halves saves half of the work; the others lose
// nothing.
class HalfVectors : public Halide::Internal::IRMutator {
 private:
  using Halide::Internal::IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::Allocate* allocation) override;
};

}  // namespace ag::schedule
