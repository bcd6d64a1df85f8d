#include "ir/dtype.h"

#include <array>
#include <bit>
#include <cmath>

namespace ag {
namespace {

struct Row {
  std::string_view name;
  uint8_t bytes;
  char kind;  // f float, i signed, u unsigned, b bool
};

constexpr std::array<Row, kDTypeCount> kRows{{
    {"f64", 8, 'f'},
    {"f32", 4, 'f'},
    {"f16", 2, 'f'},
    {"bf16", 2, 'f'},
    {"i64", 8, 'i'},
    {"i32", 4, 'i'},
    {"i16", 2, 'i'},
    {"i8", 1, 'i'},
    {"u64", 8, 'u'},
    {"u32", 4, 'u'},
    {"u16", 2, 'u'},
    {"u8", 1, 'u'},
    {"bool", 1, 'b'},
}};

const Row& row(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

}  // namespace

std::string_view name_of(DType dtype) { return row(dtype).name; }
size_t size_of(DType dtype) { return row(dtype).bytes; }
bool is_float(DType dtype) { return row(dtype).kind == 'f'; }
bool is_signed_integer(DType dtype) { return row(dtype).kind == 'i'; }
bool is_unsigned_integer(DType dtype) { return row(dtype).kind == 'u'; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (int i = 0; i < kDTypeCount; ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

double round_to(DType dtype, double value) {
  switch (dtype) {
    case DType::f32: return static_cast<float>(value);
    case DType::f16: return f16_value(f16_bits(static_cast<float>(value)));
    case DType::bf16: return bf16_value(bf16_bits(static_cast<float>(value)));
    default: return value;
  }
}

int64_t wrap_to(DType dtype, int64_t value) {
  switch (dtype) {
    case DType::i32: return static_cast<int32_t>(value);
    case DType::i16: return static_cast<int16_t>(value);
    case DType::i8: return static_cast<int8_t>(value);
    case DType::u32: return static_cast<uint32_t>(value);
    case DType::u16: return static_cast<uint16_t>(value);
    case DType::u8: return static_cast<uint8_t>(value);
    case DType::boolean: return value != 0;
    default: return value;
  }
}

uint16_t f16_bits(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;   // NaN
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // rounds to infinity
  if (magnitude < 0x38800000u) {                        // subnormal or zero
    float scaled = std::bit_cast<float>(magnitude) * 0x1p24f;
    return sign | static_cast<uint16_t>(std::nearbyint(scaled));
  }
  uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13);
}

float f16_value(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  uint32_t exponent = (bits >> 10) & 0x1fu;
  uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0) {
    float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t bf16_bits(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float bf16_value(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

}  // namespace ag
