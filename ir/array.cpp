#include "ir/array.h"

#include "ir/internal_error.h"

namespace ag {
namespace {

template <class T>
T load(const std::byte* data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void store(std::byte* data, int64_t index, T value) {
  std::memcpy(data + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

}  // namespace

void Array::check_count(size_t count) const {
  if (static_cast<size_t>(this->count()) != count)
    internal_error("array of shape {} from {} values", to_string(shape_), count);
}

void Array::wrong_width(size_t width) const {
  internal_error("{} elements read as {} bytes", name_of(dtype_), width);
}

double Array::get_double(int64_t index) const {
  switch (dtype_) {
    case DType::f64: return load<double>(data(), index);
    case DType::f32: return load<float>(data(), index);
    case DType::f16: return f16_value(load<uint16_t>(data(), index));
    case DType::bf16: return bf16_value(load<uint16_t>(data(), index));
    case DType::u64: return static_cast<double>(load<uint64_t>(data(), index));
    default: return static_cast<double>(get_int(index));
  }
}

int64_t Array::get_int(int64_t index) const {
  switch (dtype_) {
    case DType::i64:
    case DType::u64: return load<int64_t>(data(), index);
    case DType::i32: return load<int32_t>(data(), index);
    case DType::i16: return load<int16_t>(data(), index);
    case DType::i8: return load<int8_t>(data(), index);
    case DType::u32: return load<uint32_t>(data(), index);
    case DType::u16: return load<uint16_t>(data(), index);
    case DType::u8: return load<uint8_t>(data(), index);
    case DType::boolean: return load<uint8_t>(data(), index) != 0;
    default: return static_cast<int64_t>(get_double(index));
  }
}

void Array::set_double(int64_t index, double value) {
  switch (dtype_) {
    case DType::f64: store(data(), index, value); return;
    case DType::f32: store(data(), index, static_cast<float>(value)); return;
    case DType::f16: store(data(), index, f16_bits(static_cast<float>(value))); return;
    case DType::bf16: store(data(), index, bf16_bits(static_cast<float>(value))); return;
    default: set_int(index, static_cast<int64_t>(value));
  }
}

void Array::set_int(int64_t index, int64_t value) {
  switch (size_of(dtype_) * (is_float(dtype_) ? 0 : 1)) {
    case 8: store(data(), index, value); return;
    case 4: store(data(), index, static_cast<int32_t>(value)); return;
    case 2: store(data(), index, static_cast<int16_t>(value)); return;
    case 1:
      store(data(), index, static_cast<int8_t>(dtype_ == DType::boolean ? value != 0 : value));
      return;
    default: set_double(index, static_cast<double>(value));
  }
}

}  // namespace ag
