// Compiled results against the interpreter's.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "ir/interpret.h"

namespace ag {

// Integers are equal; of floats `allowed` is relative to the largest element of the result, or 1.
inline void check_close(const Array& got, const ReferenceTensor& want, double allowed) {
  REQUIRE(got.count() == want.count());
  if (!is_float(got.dtype())) {
    int64_t different = 0;
    for (int64_t i = 0; i < want.count(); ++i) different += got.get_int(i) != want.integers[i];
    CHECK(different == 0);
    return;
  }
  double largest = 1, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    largest = std::max(largest, std::fabs(want.number(i)));
    const double error = std::fabs(got.get_double(i) - want.number(i));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  CHECK(worst <= allowed * largest);
}

// The largest difference, as a part of the largest element wanted; infinite where a result is NaN.
inline double relative_error(const Array& got, const ReferenceTensor& want) {
  double range = 1e-3, worst = 0;
  for (double value : want.floats) range = std::max(range, std::fabs(value));
  for (int64_t i = 0; i < want.count(); ++i) {
    const double error = std::fabs(got.get_double(i) - want.floats[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst / range;
}

}  // namespace ag
