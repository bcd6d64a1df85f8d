// Moves and conversions between types.
#include <algorithm>

#include "tests/ptx/memory.h"
#include "tests/ptx/opcode.h"
#include "tests/ptx/value.h"

namespace ag::ptx {
namespace {

// mov of a list packs it, the first element lowest; the list as destination is unpacked by whoever
// writes the registers.
Bits move(const Instruction& at, const Bits* s, bool&) {
  const size_t count = at.sources.size();
  if (count == 1) return s[0];
  const int width = bits_of(at.type) / static_cast<int>(count);
  Bits packed = 0;
  for (size_t i = 0; i < count; ++i) {
    packed |= (s[i] & ((Bits{1} << width) - 1)) << (width * static_cast<int>(i));
  }
  return packed;
}

Bits same(const Instruction&, const Bits* s, bool&) { return s[0]; }

// Addresses in global memory are their own generic addresses; shared and local memory each have a
// window.
Bits window(Space space) {
  return space == Space::shared ? kSharedWindow : space == Space::local ? kLocalWindow : 0;
}

Evaluate address_conversion(const Instruction& at) {
  if (window(at.space) == 0) return same;
  if (at["to"_m]) {
    return [](const Instruction& at, const Bits* s, bool&) { return s[0] - window(at.space); };
  }
  return [](const Instruction& at, const Bits* s, bool&) { return s[0] + window(at.space); };
}

double rounded_integer(const Instruction& at, double value) {
  if (at["rni"_m]) return std::nearbyint(value);  // ties to even
  if (at["rmi"_m]) return std::floor(value);
  if (at["rpi"_m]) return std::ceil(value);
  return std::trunc(value);
}

// Out of range: the nearest integer there is. NaN: zero.
template <class To>
Bits to_integer(const Instruction& at, double value) {
  if (std::isnan(value)) return 0;
  const double whole = rounded_integer(at, value);
  if (whole <= static_cast<double>(std::numeric_limits<To>::min())) {
    return put(std::numeric_limits<To>::min());
  }
  if (whole >= static_cast<double>(std::numeric_limits<To>::max())) {
    return put(std::numeric_limits<To>::max());
  }
  return put(static_cast<To>(whole));
}

// To the float type To under .rz, .rm, .rp: to nearest, then one step back where that went too far.
template <class To, class From>
To directed(const Instruction& at, From value) {
  const To nearest = static_cast<To>(static_cast<Computed<To>>(value));
  if constexpr (std::floating_point<To>) {
    const auto exact = static_cast<long double>(value);
    const To infinity = std::numeric_limits<To>::infinity();
    const bool above = nearest > exact, below = nearest < exact;
    if (above && (at["rm"_m] || (at["rz"_m] && exact > 0)))
      return std::nextafter(nearest, -infinity);
    if (below && (at["rp"_m] || (at["rz"_m] && exact < 0)))
      return std::nextafter(nearest, infinity);
  }
  return nearest;
}

template <class To, class From>
Bits converted(const Instruction& at, const Bits* s, bool&) {
  const From value = operand<From>(at, s[0]);
  if constexpr (std::integral<From> && std::integral<To>) {
    if (at["sat"_m]) {
      return put(static_cast<To>(std::clamp<__int128>(value, std::numeric_limits<To>::min(),
                                                      std::numeric_limits<To>::max())));
    }
    return put(static_cast<To>(value));
  } else if constexpr (std::integral<To>) {
    return to_integer<To>(at, static_cast<double>(value));
  } else if constexpr (std::integral<From>) {
    return result(at, directed<To>(at, value));
  } else if (at["rni"_m] || at["rzi"_m] || at["rmi"_m] || at["rpi"_m]) {
    return result(at, static_cast<To>(rounded_integer(at, static_cast<double>(value))));
  } else {
    To narrow = directed<To>(at, value);
    if (at["relu"_m] && !(narrow > To(0.0))) narrow = To(0.0);
    return result(at, narrow);
  }
}

// The second type of a conversion, once the first is chosen.
template <class To>
Evaluate from(Type type) {
  switch (type) {
    case Type::u8:
    case Type::b8: return converted<To, uint8_t>;
    case Type::s8: return converted<To, int8_t>;
    case Type::u16:
    case Type::b16: return converted<To, uint16_t>;
    case Type::s16: return converted<To, int16_t>;
    case Type::u32:
    case Type::b32: return converted<To, uint32_t>;
    case Type::s32: return converted<To, int32_t>;
    case Type::u64:
    case Type::b64: return converted<To, uint64_t>;
    case Type::s64: return converted<To, int64_t>;
    case Type::f16: return converted<To, Half>;
    case Type::bf16: return converted<To, BFloat>;
    case Type::f32: return converted<To, float>;
    case Type::f64: return converted<To, double>;
    default: return nullptr;
  }
}

// cvt.rn.f16x2.f32 d, high, low
template <class To>
Bits pair_of(const Instruction& at, const Bits* s, bool& carry) {
  return converted<To, float>(at, s, carry) << 16 | converted<To, float>(at, s + 1, carry);
}

// A narrow float cannot be had under a direction here, and no kernel asks for it.
bool directed_to_nearest(const Instruction& at) {
  return !at["rz"_m] && !at["rm"_m] && !at["rp"_m];
}

Evaluate conversion(const Instruction& at) {
  if (bits_of(at.type) == 16 && is_float(at.type) && !directed_to_nearest(at)) return nullptr;
  switch (at.type) {
    case Type::u8: return from<uint8_t>(at.source);
    case Type::s8: return from<int8_t>(at.source);
    case Type::u16: return from<uint16_t>(at.source);
    case Type::s16: return from<int16_t>(at.source);
    case Type::u32: return from<uint32_t>(at.source);
    case Type::s32: return from<int32_t>(at.source);
    case Type::u64: return from<uint64_t>(at.source);
    case Type::s64: return from<int64_t>(at.source);
    case Type::f16: return from<Half>(at.source);
    case Type::bf16: return from<BFloat>(at.source);
    case Type::f32: return from<float>(at.source);
    case Type::f64: return from<double>(at.source);
    case Type::f16x2: return directed_to_nearest(at) ? pair_of<Half> : nullptr;
    case Type::bf16x2: return directed_to_nearest(at) ? pair_of<BFloat> : nullptr;
    default: return nullptr;
  }
}

constexpr Opcode kOpcodes[] = {
    {"mov", Unit::arithmetic, "", 1, [](const Instruction&) -> Evaluate { return move; }},
    {"cvta", Unit::arithmetic, "to global shared local const", 1, address_conversion},
    {"cvt", Unit::arithmetic, "rn rz rm rp rni rzi rmi rpi ftz sat relu", 1, conversion},
};

}  // namespace

std::span<const Opcode> convert_opcodes() { return kOpcodes; }

}  // namespace ag::ptx
