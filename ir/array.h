// A dense row-major tensor in host memory: constants, weights, batches, results.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "ir/diagnostics.h"
#include "ir/type.h"

namespace ag {

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};

class Array {
 public:
  Array() = default;
  // Zero-filled.
  Array(DType dtype, Shape shape)
      : dtype_(dtype),
        shape_(std::move(shape)),
        bytes_(static_cast<size_t>(element_count(shape_)) * size_of(dtype)) {}

  template <class T>
  static Array of(Shape shape, std::span<const T> values) {
    Array array(DTypeOf<T>::value, std::move(shape));
    array.check_count(values.size());
    if (!values.empty()) std::memcpy(array.data(), values.data(), values.size_bytes());
    return array;
  }
  template <class T>
  static Array of(Shape shape, const std::vector<T>& values) {
    return of(std::move(shape), std::span<const T>(values));
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  TensorType type() const { return {dtype_, shape_, {}}; }
  int64_t count() const { return element_count(shape_); }
  size_t size_bytes() const { return bytes_.size(); }
  std::byte* data() { return bytes_.data(); }
  const std::byte* data() const { return bytes_.data(); }

  // The elements; T must be the stored type of dtype() (f16, bf16 as uint16_t, bool as uint8_t).
  template <class T>
  std::span<T> as() {
    check_width(sizeof(T));
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }
  template <class T>
  std::span<const T> as() const {
    check_width(sizeof(T));
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

  // Element `index` in row-major order, converted; setters round (floats) or wrap (integers).
  double get_double(int64_t index) const;
  int64_t get_int(int64_t index) const;
  void set_double(int64_t index, double value);
  void set_int(int64_t index, int64_t value);

  bool operator==(const Array&) const = default;

 private:
  void check_count(size_t count) const;
  void check_width(size_t width) const {
    if (width != size_of(dtype_)) wrong_width(width);
  }
  [[noreturn]] void wrong_width(size_t width) const;

  DType dtype_ = DType::f32;
  Shape shape_{0};
  std::vector<std::byte> bytes_;
};

}  // namespace ag
