// Sums, products, quotients, minima: instructions that integers and floats share, and carries.
#include <cfenv>

#include "tests/ptx/opcode.h"
#include "tests/ptx/value.h"

namespace ag::ptx {
namespace {

template <class T>
Computed<T> wide(const Instruction& at, Bits bits) {
  return static_cast<Computed<T>>(operand<T>(at, bits));
}

constexpr auto kAdd = []<class T>(const Instruction& at, const Bits* s, bool& carry) {
  const T sum = static_cast<T>(wide<T>(at, s[0]) + wide<T>(at, s[1]));
  if constexpr (std::unsigned_integral<T>) carry = at["cc"_m] ? sum < get<T>(s[0]) : carry;
  return result(at, sum);
};

constexpr auto kSubtract = []<class T>(const Instruction& at, const Bits* s, bool& carry) {
  if constexpr (std::unsigned_integral<T>) {
    carry = at["cc"_m] ? get<T>(s[0]) < get<T>(s[1]) : carry;
  }
  return result(at, static_cast<T>(wide<T>(at, s[0]) - wide<T>(at, s[1])));
};

// addc, subc: with the carry, or borrow, of the instruction before.
constexpr auto kAddCarry = []<class T>(const Instruction& at, const Bits* s, bool& carry) {
  using Sum = unsigned __int128;
  const Sum sum = Sum{s[0]} + s[1] + carry;
  if (at["cc"_m]) carry = sum >> (8 * sizeof(T)) & 1;
  return put(static_cast<T>(sum));
};

constexpr auto kSubtractCarry = []<class T>(const Instruction& at, const Bits* s, bool& carry) {
  using Sum = unsigned __int128;
  const Sum difference = Sum{s[0]} - s[1] - carry;
  if (at["cc"_m]) carry = difference >> (8 * sizeof(T)) & 1;
  return put(static_cast<T>(difference));
};

// The whole product of two integers: .lo and .hi are its halves, .wide is all of it.
template <class T>
Bits product(const Instruction& at, const Bits* s) {
  using Whole = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
  const Whole whole = static_cast<Whole>(Whole{get<T>(s[0])} * get<T>(s[1]));
  if (at["wide"_m]) {
    return sizeof(T) == 2 ? static_cast<uint32_t>(whole) : static_cast<uint64_t>(whole);
  }
  return put(static_cast<T>(at["hi"_m] ? whole >> (8 * sizeof(T)) : whole));
}

constexpr auto kMultiply = []<class T>(const Instruction& at, const Bits* s, bool&) {
  if constexpr (std::integral<T>)
    return product<T>(at, s);
  else
    return result(at, static_cast<T>(wide<T>(at, s[0]) * wide<T>(at, s[1])));
};

// Floats: a * b + c, rounded once.
constexpr auto kMultiplyAdd = []<class T>(const Instruction& at, const Bits* s, bool& carry) {
  if constexpr (std::integral<T>) {
    const Bits low = product<T>(at, s);
    if (at["wide"_m]) return sizeof(T) == 2 ? put(static_cast<uint32_t>(low + s[2])) : low + s[2];
    const T sum = static_cast<T>(low + s[2]);
    if (at["cc"_m]) carry = static_cast<std::make_unsigned_t<T>>(sum) < low;
    return put(sum);
  } else {
    return result(
        at, static_cast<T>(std::fma(wide<T>(at, s[0]), wide<T>(at, s[1]), wide<T>(at, s[2]))));
  }
};

constexpr auto kMultiplyAddCarry = []<class T>(const Instruction& at, const Bits* s, bool& carry) {
  const Bits sum[] = {product<T>(at, s), s[2] & put(static_cast<T>(-1))};
  return kAddCarry.template operator()<T>(at, sum, carry);
};

// An integer division by zero is undefined; the hardware gives all ones.
constexpr auto kDivide = []<class T>(const Instruction& at, const Bits* s, bool&) {
  if constexpr (std::integral<T>) {
    const T a = get<T>(s[0]), b = get<T>(s[1]);
    if (b == 0) return put(static_cast<T>(-1));
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return put(static_cast<T>(0 - Bits(a)));
    return put(static_cast<T>(a / b));
  } else {
    return result(at, static_cast<T>(wide<T>(at, s[0]) / wide<T>(at, s[1])));
  }
};

constexpr auto kRemainder = []<class T>(const Instruction&, const Bits* s, bool&) {
  const T a = get<T>(s[0]), b = get<T>(s[1]);
  if (b == 0) return put(a);
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return put(T{0});
  return put(static_cast<T>(a % b));
};

// Signs of floats are bits: of NaN and zero too.
constexpr auto kNegate = []<class T>(const Instruction& at, const Bits* s, bool&) {
  if constexpr (std::integral<T>)
    return put(static_cast<T>(0 - s[0]));
  else
    return put(operand<T>(at, s[0])) ^ Bits { 1 } << (8 * sizeof(T) - 1);
};

constexpr auto kAbsolute = []<class T>(const Instruction& at, const Bits* s, bool&) {
  if constexpr (std::integral<T>) {
    return put(get<T>(s[0]) < T{0} ? static_cast<T>(0 - s[0]) : get<T>(s[0]));
  } else {
    return put(operand<T>(at, s[0])) & ~(Bits{1} << (8 * sizeof(T) - 1));
  }
};

// -0 is less than +0. A NaN loses against a number, except with .NaN.
template <class T>
T lesser(const Instruction& at, T a, T b, bool swapped) {
  if constexpr (kIsFloat<T>) {
    const auto x = static_cast<double>(a), y = static_cast<double>(b);
    if (std::isnan(x) || std::isnan(y)) {
      if (at["NaN"_m]) return static_cast<T>(std::numeric_limits<double>::quiet_NaN());
      return std::isnan(x) ? b : a;
    }
    if (x == y) return std::signbit(x) != swapped ? a : b;
  }
  return (a < b) != swapped ? a : b;
}

constexpr auto kMinimum = []<class T>(const Instruction& at, const Bits* s, bool&) {
  return result(at, lesser(at, operand<T>(at, s[0]), operand<T>(at, s[1]), false));
};

constexpr auto kMaximum = []<class T>(const Instruction& at, const Bits* s, bool&) {
  return result(at, lesser(at, operand<T>(at, s[0]), operand<T>(at, s[1]), true));
};

// |a - b| + c
constexpr auto kSumOfDifference = []<class T>(const Instruction&, const Bits* s, bool&) {
  const T a = get<T>(s[0]), b = get<T>(s[1]);
  return put(static_cast<T>((a < b ? Bits(b) - Bits(a) : Bits(a) - Bits(b)) + s[2]));
};

// Under a direction other than to nearest, the same instruction runs with the processor's own
// rounding changed.
int direction(const Instruction& at) {
  return at["rz"_m] ? FE_TOWARDZERO : at["rm"_m] ? FE_DOWNWARD : FE_UPWARD;
}

template <class F>
constexpr auto rounded(F) {
  return [](const Instruction& at) -> Evaluate {
    const Evaluate nearest = over<numbers>(F{})(at);
    if (!at["rz"_m] && !at["rm"_m] && !at["rp"_m]) return nearest;
    if (bits_of(at.type) < 32 || !is_float(at.type)) return nullptr;
    return [](const Instruction& at, const Bits* s, bool& carry) {
      std::fesetround(direction(at));
      const Bits value = instance<floats, F>(at.type)(at, s, carry);
      std::fesetround(FE_TONEAREST);
      return value;
    };
  };
}

constexpr Opcode kOpcodes[] = {
    {"add", Unit::arithmetic, "rn rz rm rp ftz sat cc", 2, rounded(kAdd)},
    {"sub", Unit::arithmetic, "rn rz rm rp ftz sat cc", 2, rounded(kSubtract)},
    {"mul", Unit::arithmetic, "rn rz rm rp ftz sat lo hi wide", 2, rounded(kMultiply)},
    {"mad", Unit::arithmetic, "rn rz rm rp ftz sat lo hi wide cc", 3, rounded(kMultiplyAdd)},
    {"fma", Unit::arithmetic, "rn rz rm rp ftz sat", 3, rounded(kMultiplyAdd)},
    {"div", Unit::arithmetic, "rn rz rm rp ftz approx full", 2, rounded(kDivide)},
    {"addc", Unit::arithmetic, "cc", 2, over<integers>(kAddCarry)},
    {"subc", Unit::arithmetic, "cc", 2, over<integers>(kSubtractCarry)},
    {"madc", Unit::arithmetic, "lo hi cc", 3, over<integers>(kMultiplyAddCarry)},
    {"rem", Unit::arithmetic, "", 2, over<integers>(kRemainder)},
    {"neg", Unit::arithmetic, "ftz", 1, over<numbers>(kNegate)},
    {"abs", Unit::arithmetic, "ftz", 1, over<numbers>(kAbsolute)},
    {"min", Unit::arithmetic, "ftz NaN", 2, over<numbers>(kMinimum)},
    {"max", Unit::arithmetic, "ftz NaN", 2, over<numbers>(kMaximum)},
    {"sad", Unit::arithmetic, "", 3, over<integers>(kSumOfDifference)},
};

}  // namespace

std::span<const Opcode> arithmetic_opcodes() { return kOpcodes; }

}  // namespace ag::ptx
