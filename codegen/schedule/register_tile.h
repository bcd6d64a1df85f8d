// Cost of a register tile: the model behind the default tiles of contractions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "codegen/target.h"

namespace ag {

// A parallel task is worth its handing-out from here; kernels of two tasks' work are shared.
inline constexpr double kTaskFlops = 1e6;

// One step of a tile's innermost loop, in vector instructions.
struct TileStep {
  double multiply_adds = 0;
  double vectors = 0;       // loaded: weights, which stream from the second-level cache
  double broadcasts = 0;    // loaded: inputs
  double far = 0;           // cycles to wait for inputs from beyond the second-level cache
  double chain = 1;         // multiply-adds one after another on the same accumulator
  double accumulators = 1;  // vectors
  double used = 1;          // part of the tiles' positions that are needed
};

// Cycles per useful multiply-add. The machine starts two multiply-adds and two loads a cycle and
// finishes a multiply-add after four; loads weigh a little on top, because the caches do not always
// deliver two.
inline double cost_of(const TileStep& step) {
  constexpr double kPerCycle = 2, kLatency = 4, kLoop = 0.5;
  constexpr double kVectorWeight = 0.2, kBroadcastWeight = 0.1;
  const double loads = step.vectors + step.broadcasts;
  const double cycles =
      std::max({step.multiply_adds / kPerCycle, loads / kPerCycle, kLatency * step.chain}) +
      kVectorWeight * step.vectors + kBroadcastWeight * step.broadcasts + kLoop + step.far;
  // Between equals the larger tile: its start and end weigh less.
  const double ends = 1 + 0.5 / step.accumulators;
  return cycles * ends / (step.multiply_adds * step.used);
}

// Whether a tile stays in registers: its accumulators, the vectors of one step and a broadcast;
// where broadcasts are shared by several multiply-adds some more are alive at a time.
inline bool fits_registers(const Target& target, double accumulators, double vectors,
                           bool shares_broadcasts) {
  return accumulators + vectors + (shares_broadcasts ? 4 : 1) <= target.vector_registers;
}

// Part of ceil(extent / tile) tiles that is not beyond the extent.
inline double used_part(int64_t extent, int64_t tile) {
  return static_cast<double>(extent) / static_cast<double>((extent + tile - 1) / tile * tile);
}

inline std::vector<int64_t> divisors(int64_t n, int64_t most) {
  std::vector<int64_t> all;
  for (int64_t d = 1; d <= std::min(n, most); ++d) {
    if (n % d == 0) all.push_back(d);
  }
  return all;
}

// The smallest divisor of n that is at least `least`; n where there is none.
inline int64_t divisor_from(int64_t n, int64_t least) {
  for (int64_t d = std::max<int64_t>(least, 1); d < n; ++d) {
    if (n % d == 0) return d;
  }
  return n;
}

}  // namespace ag
