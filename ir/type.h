// The type of a value: element type, logical shape, physical layout.
#pragma once

#include <string>

#include "ir/dtype.h"
#include "ir/layout.h"

namespace ag {

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;  // always logical, e.g. N, C, H, W
  Layout layout;

  int rank() const { return static_cast<int>(shape.size()); }
  int64_t count() const { return element_count(shape); }
  // Bytes of the stored tensor, padding lanes included.
  int64_t bytes() const {
    return layout.stored_count(shape) * static_cast<int64_t>(size_of(dtype));
  }
  TensorType with_shape(Shape other) const { return {dtype, std::move(other), {}}; }
  TensorType with_dtype(DType other) const { return {other, shape, layout}; }
  TensorType with_layout(Layout other) const { return {dtype, shape, std::move(other)}; }

  bool operator==(const TensorType&) const = default;
};

// "f32[8,64,56,56]", with "{aBcd16b}" behind it where the layout is not row-major.
std::string to_string(const TensorType& type);
std::string to_string(const Shape& shape);  // "[8,64,56,56]"

// Why no tensor can have this type: an extent negative or above 2^31 - 1, or more than 2^40
// elements. Empty when one can. Within these limits no size computation of the compiler overflows.
std::string size_problem(const TensorType& type);

// f32({64, 1, 28, 28}) and so on: row-major types.
inline TensorType f32(Shape shape) { return {DType::f32, std::move(shape), {}}; }
template <class... Extents>
TensorType f32(int64_t first, Extents... rest) {
  return f32(Shape{first, static_cast<int64_t>(rest)...});
}
inline TensorType tensor_type(DType dtype, Shape shape) { return {dtype, std::move(shape), {}}; }

}  // namespace ag
