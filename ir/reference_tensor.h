// A tensor of the reference interpreter: floats in double, integers and bool in 64 bit.
#pragma once

#include <vector>

#include "ir/array.h"
#include "ir/type.h"

namespace ag {

struct ReferenceTensor {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<double> floats;     // when is_float(dtype)
  std::vector<int64_t> integers;  // otherwise

  ReferenceTensor() = default;
  ReferenceTensor(DType dtype, Shape shape);
  static ReferenceTensor from(const Array& array);
  // Rounds floats to their stored width and wraps integers.
  Array to_array() const;

  bool is_floating() const { return is_float(dtype); }
  int64_t count() const { return element_count(shape); }
  // Element in row-major order, converted either way.
  double number(int64_t i) const {
    return is_floating() ? floats[i] : static_cast<double>(integers[i]);
  }
  int64_t integer(int64_t i) const {
    return is_floating() ? static_cast<int64_t>(floats[i]) : integers[i];
  }
  void set(int64_t i, double value) {
    if (is_floating())
      floats[i] = value;
    else
      integers[i] = static_cast<int64_t>(value);
  }
  // Copies one element of `from`, which has the same dtype kind.
  void copy(int64_t i, const ReferenceTensor& from, int64_t j) {
    if (is_floating())
      floats[i] = from.floats[j];
    else
      integers[i] = from.integers[j];
  }
};

// Row-major strides of a shape, in elements.
Shape row_major_strides(const Shape& shape);

// Calls body(index) for every index of the shape in row-major order.
template <class Body>
void for_each_index(const Shape& shape, Body&& body) {
  if (element_count(shape) == 0) return;
  std::vector<int64_t> index(shape.size(), 0);
  while (true) {
    body(static_cast<const std::vector<int64_t>&>(index));
    int axis = static_cast<int>(shape.size()) - 1;
    while (axis >= 0 && ++index[axis] == shape[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}

// Position of an index in row-major order.
int64_t linear_index(const std::vector<int64_t>& index, const Shape& strides);

}  // namespace ag
