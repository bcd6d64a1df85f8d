#include "ir/reference_tensor.h"

namespace ag {

ReferenceTensor::ReferenceTensor(DType dtype, Shape extents)
    : dtype(dtype), shape(std::move(extents)) {
  if (is_float(dtype))
    floats.resize(count());
  else
    integers.resize(count());
}

ReferenceTensor ReferenceTensor::from(const Array& array) {
  ReferenceTensor tensor(array.dtype(), array.shape());
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (tensor.is_floating())
      tensor.floats[i] = array.get_double(i);
    else
      tensor.integers[i] = array.get_int(i);
  }
  return tensor;
}

Array ReferenceTensor::to_array() const {
  Array array(dtype, shape);
  for (int64_t i = 0; i < count(); ++i) {
    if (is_floating())
      array.set_double(i, floats[i]);
    else
      array.set_int(i, integers[i]);
  }
  return array;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (int i = static_cast<int>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

int64_t linear_index(const std::vector<int64_t>& index, const Shape& strides) {
  int64_t position = 0;
  for (size_t i = 0; i < index.size(); ++i) position += index[i] * strides[i];
  return position;
}

}  // namespace ag
