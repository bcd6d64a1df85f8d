// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ag {

enum class DType : uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
};

inline constexpr int kDTypeCount = 13;

// Text-IR name: "f32", "bf16", "bool" …
std::string_view name_of(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

// Bytes of one stored element; bool takes one byte.
size_t size_of(DType dtype);

bool is_float(DType dtype);
bool is_signed_integer(DType dtype);
bool is_unsigned_integer(DType dtype);
inline bool is_integer(DType dtype) {
  return is_signed_integer(dtype) || is_unsigned_integer(dtype);
}

// Rounds a double to the nearest value the float type can hold (ties to even).
double round_to(DType dtype, double value);
// Wraps a 64-bit integer to the range of the integer type (two's complement).
int64_t wrap_to(DType dtype, int64_t value);

// Bit patterns of the 16-bit float formats, rounded to nearest even; NaN stays NaN.
uint16_t f16_bits(float value);
float f16_value(uint16_t bits);
uint16_t bf16_bits(float value);
float bf16_value(uint16_t bits);

}  // namespace ag
