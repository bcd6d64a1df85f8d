// Typed values in raw registers, and the choice of a function by an instruction's type.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

#include "ir/dtype.h"
#include "tests/ptx/program.h"

namespace ag::ptx {

// A 16-bit float. It computes in double and is rounded at the end, as the hardware does it; only a
// fused multiply-add may, very rarely, be rounded twice.
template <DType dtype>
struct Short {
  uint16_t bits = 0;
  Short() = default;
  Short(double value) {
    const auto narrow = static_cast<float>(value);
    bits = dtype == DType::f16 ? f16_bits(narrow) : bf16_bits(narrow);
  }
  operator double() const { return dtype == DType::f16 ? f16_value(bits) : bf16_value(bits); }
};
using Half = Short<DType::f16>;
using BFloat = Short<DType::bf16>;

template <class T>
inline constexpr bool kIsFloat =
    std::floating_point<T> || std::same_as<T, Half> || std::same_as<T, BFloat>;

// What T computes in: integers wrap, and do so in unsigned arithmetic.
template <class T>
using Computed =
    std::conditional_t<std::integral<T>, uint64_t, std::conditional_t<sizeof(T) == 2, double, T>>;

template <class T>
T get(Bits bits) {
  if constexpr (std::integral<T>)
    return static_cast<T>(bits);
  else if constexpr (sizeof(T) == 8)
    return std::bit_cast<T>(bits);
  else if constexpr (sizeof(T) == 4)
    return std::bit_cast<T>(static_cast<uint32_t>(bits));
  else
    return std::bit_cast<T>(static_cast<uint16_t>(bits));
}

template <class T>
Bits put(T value) {
  if constexpr (std::integral<T>)
    return static_cast<std::make_unsigned_t<T>>(value);
  else if constexpr (sizeof(T) == 8)
    return std::bit_cast<uint64_t>(value);
  else if constexpr (sizeof(T) == 4)
    return std::bit_cast<uint32_t>(value);
  else
    return std::bit_cast<uint16_t>(value);
}

// .ftz: a subnormal float counts as a zero of its sign.
template <class T>
T flushed(const Instruction& at, T value) {
  if constexpr (std::same_as<T, float>) {
    if (at["ftz"_m] && std::fpclassify(value) == FP_SUBNORMAL) return std::copysign(0.0f, value);
  }
  return value;
}

template <class T>
T operand(const Instruction& at, Bits bits) {
  return flushed(at, get<T>(bits));
}

// .ftz and .sat (to [0, 1], NaN to 0) of floats.
template <class T>
Bits result(const Instruction& at, T value) {
  if constexpr (kIsFloat<T>) {
    if (at["sat"_m]) value = value > T(0.0) ? (value < T(1.0) ? value : T(1.0)) : T(0.0);
  }
  return put(flushed(at, value));
}

// F is a generic lambda <T>(at, sources, carry); gives its instance for a type, null for types that
// the allowed kinds leave out. Untyped bits count as unsigned.
enum Kinds { integers = 1, floats = 2, numbers = 3 };

template <Kinds kinds, class F>
Evaluate instance(Type type) {
#define AG_PTX_CASE(kind, name, T)                                           \
  case Type::name:                                                           \
    if constexpr ((kinds & kind) != 0)                                       \
      return [](const Instruction& at, const Bits* s, bool& carry) -> Bits { \
        return F{}.template operator()<T>(at, s, carry);                     \
      };                                                                     \
    return nullptr;
  switch (type) {
    AG_PTX_CASE(integers, b16, uint16_t)
    AG_PTX_CASE(integers, u16, uint16_t)
    AG_PTX_CASE(integers, s16, int16_t)
    AG_PTX_CASE(integers, b32, uint32_t)
    AG_PTX_CASE(integers, u32, uint32_t)
    AG_PTX_CASE(integers, s32, int32_t)
    AG_PTX_CASE(integers, b64, uint64_t)
    AG_PTX_CASE(integers, u64, uint64_t)
    AG_PTX_CASE(integers, s64, int64_t)
    AG_PTX_CASE(floats, f16, Half)
    AG_PTX_CASE(floats, bf16, BFloat)
    AG_PTX_CASE(floats, f32, float)
    AG_PTX_CASE(floats, f64, double)
    default: return nullptr;
  }
#undef AG_PTX_CASE
}

// Both halves of a packed register, one after the other.
template <class T, class F>
Bits packed(const Instruction& at, const Bits* s, bool& carry) {
  const Bits low[] = {s[0] & 0xFFFF, s[1] & 0xFFFF, s[2] & 0xFFFF};
  const Bits high[] = {s[0] >> 16 & 0xFFFF, s[1] >> 16 & 0xFFFF, s[2] >> 16 & 0xFFFF};
  return F{}.template operator()<T>(at, low, carry) | F{}.template operator()<T>(at, high, carry)
                                                          << 16;
}

// The `decode` of an opcode over these kinds, whose result and operands are of one type.
template <Kinds kinds, class F>
constexpr auto over(F) {
  return [](const Instruction& at) -> Evaluate {
    if (at["sat"_m] && !is_float(at.type)) return nullptr;
    if constexpr ((kinds & floats) != 0) {
      if (at.type == Type::f16x2) return packed<Half, F>;
      if (at.type == Type::bf16x2) return packed<BFloat, F>;
    }
    return instance<kinds, F>(at.type);
  };
}

}  // namespace ag::ptx
