// Operands for tests that compare two computations of one network.
#pragma once

#include "ir/array.h"

namespace ag {

// Values in [-1, 1) that differ from element to element and from seed to seed; class numbers below
// ten where integers are wanted.
inline Array sample(const TensorType& type, int64_t seed) {
  Array array(type.dtype, type.shape);
  for (int64_t i = 0; i < array.count(); ++i) {
    const int64_t number = (i * 7919 + seed * 104729) % 2003;
    if (is_float(type.dtype))
      array.set_double(i, static_cast<double>(number) / 1001.5 - 1);
    else
      array.set_int(i, number % 10);
  }
  return array;
}

}  // namespace ag
