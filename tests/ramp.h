// Values for the leaves of tests' networks.
#pragma once

#include "ir/array.h"
#include "ir/type.h"

namespace ag {

// Numbers in [-1, 1) that differ from element to element and from seed to seed, the same in every
// run.
inline Array ramp(const TensorType& type, int64_t seed) {
  Array array(type.dtype, type.shape);
  for (int64_t i = 0; i < array.count(); ++i)
    array.set_double(i, static_cast<double>((i * 7919 + seed * 104729) % 2003) / 1001.5 - 1);
  return array;
}

}  // namespace ag
