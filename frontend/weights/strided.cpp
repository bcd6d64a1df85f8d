#include "frontend/weights/strided.h"

#include <fmt/format.h>

#include <algorithm>

namespace ag {
namespace {

constexpr uint64_t kLargestTensor = uint64_t{1} << 47;

// A file may hold any byte for a bool; ours are 0 or 1.
void normalise_bools(Array& array) {
  if (array.dtype() != DType::boolean) return;
  for (uint8_t& value : array.as<uint8_t>()) value = value != 0;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= std::max<int64_t>(shape[axis], 1);
  }
  return strides;
}

// The highest element index reached, or CompileError where it is not a sensible number.
uint64_t last_element(const Shape& shape, const Shape& strides, int64_t offset,
                      const std::string& what) {
  uint64_t last = static_cast<uint64_t>(offset);
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    uint64_t step = 0;
    if (strides[axis] < 0 ||
        __builtin_mul_overflow(static_cast<uint64_t>(shape[axis] - 1),
                               static_cast<uint64_t>(strides[axis]), &step) ||
        __builtin_add_overflow(last, step, &last)) {
      throw CompileError(fmt::format("{}: strides {} of shape {} leave the storage", what,
                                     to_string(strides), to_string(shape)));
    }
  }
  return last;
}

// Advances a row-major odometer over all axes but the last; false after the last position.
bool advance(Shape& index, const Shape& shape) {
  for (size_t axis = shape.size() - 1; axis-- > 0;) {
    if (++index[axis] < shape[axis]) return true;
    index[axis] = 0;
  }
  return false;
}

void copy_rows(Array& array, const Shape& strides, const std::byte* source) {
  const Shape& shape = array.shape();
  const size_t width = size_of(array.dtype());
  const int64_t row = shape.back(), step = strides.back();
  std::byte* target = array.data();
  Shape index(shape.size(), 0);
  do {
    int64_t start = 0;
    for (size_t axis = 0; axis + 1 < shape.size(); ++axis) start += index[axis] * strides[axis];
    for (int64_t i = 0; i < row; ++i, target += width) {
      std::memcpy(target, source + static_cast<size_t>(start + i * step) * width, width);
    }
  } while (advance(index, shape));
}

}  // namespace

uint64_t checked_tensor_bytes(const Shape& shape, DType dtype, const std::string& what) {
  if (shape.size() > 32) {
    throw CompileError(fmt::format("{}: rank {} is above the limit of 32", what, shape.size()));
  }
  uint64_t bytes = size_of(dtype);
  bool empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0) {
      throw CompileError(
          fmt::format("{}: negative extent {} in shape {}", what, extent, to_string(shape)));
    }
    empty |= extent == 0;
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(std::max<int64_t>(extent, 1)),
                               &bytes) ||
        bytes > kLargestTensor) {
      throw CompileError(fmt::format("{}: shape {} of {} is too large (limit 2^47 bytes)", what,
                                     to_string(shape), name_of(dtype)));
    }
  }
  return empty ? 0 : bytes;
}

Array gather_strided(DType dtype, const Shape& shape, const Shape& strides, int64_t offset,
                     std::span<const std::byte> storage, const std::string& what) {
  const uint64_t bytes = checked_tensor_bytes(shape, dtype, what);
  if (shape.size() != strides.size() || offset < 0) {
    throw CompileError(fmt::format("{}: shape {}, strides {}, offset {} do not describe a tensor",
                                   what, to_string(shape), to_string(strides), offset));
  }
  if (bytes == 0) return Array(dtype, shape);
  const uint64_t held = storage.size() / size_of(dtype);
  const uint64_t last = last_element(shape, strides, offset, what);
  if (last >= held) {
    throw CompileError(
        fmt::format("{}: shape {} with strides {} at offset {} reaches element {}, "
                    "but the storage holds {}",
                    what, to_string(shape), to_string(strides), offset, last, held));
  }
  const auto start = storage.subspan(static_cast<size_t>(offset) * size_of(dtype));
  Array array(dtype, shape);
  if (strides == row_major_strides(shape) || array.count() == 1) {
    std::memcpy(array.data(), start.data(), array.size_bytes());
  } else {
    copy_rows(array, strides, start.data());
  }
  normalise_bools(array);
  return array;
}

Array dense_array(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                  const std::string& what) {
  const uint64_t expected = checked_tensor_bytes(shape, dtype, what);
  if (expected != bytes.size()) {
    throw CompileError(fmt::format("{}: {}{} needs {} bytes, but {} are there", what,
                                   name_of(dtype), to_string(shape), expected, bytes.size()));
  }
  Array array(dtype, shape);
  if (expected != 0) std::memcpy(array.data(), bytes.data(), bytes.size());
  normalise_bools(array);
  return array;
}

}  // namespace ag
