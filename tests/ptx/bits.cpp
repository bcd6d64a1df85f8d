// Instructions on patterns of bits.
#include <algorithm>

#include "tests/ptx/opcode.h"
#include "tests/ptx/value.h"

namespace ag::ptx {
namespace {

template <class T>
constexpr int kWidth = 8 * sizeof(T);

// and, or, xor and not work on predicates too.
template <class F>
constexpr auto logic(F) {
  return [](const Instruction& at) -> Evaluate {
    if (at.type == Type::pred) {
      return [](const Instruction&, const Bits* s, bool&) -> Bits { return F{}(s[0], s[1]) & 1; };
    }
    return instance<integers, decltype([]<class T>(const Instruction&, const Bits* s, bool&) {
                      return put(static_cast<T>(F{}(s[0], s[1])));
                    })>(at.type);
  };
}

// Shifts by the width or more give zero, or the sign everywhere.
constexpr auto kShiftLeft = []<class T>(const Instruction&, const Bits* s, bool&) {
  const auto amount = get<uint32_t>(s[1]);
  return put(amount < kWidth<T> ? static_cast<T>(s[0] << amount) : T{0});
};

constexpr auto kShiftRight = []<class T>(const Instruction&, const Bits* s, bool&) {
  const auto amount = get<uint32_t>(s[1]);
  const T value = get<T>(s[0]);
  if (amount < kWidth<T>) return put(static_cast<T>(value >> amount));
  return put(static_cast<T>(value < T{0} ? -1 : 0));
};

// A window of 32 bits of the pair b:a.
Bits funnel(const Instruction& at, const Bits* s, bool&) {
  const Bits pair = s[1] << 32 | (s[0] & 0xFFFFFFFF);
  const auto asked = get<uint32_t>(s[2]);
  const uint32_t amount = at["wrap"_m] ? asked % 32 : std::min(asked, 32u);
  return at["l"_m] ? pair << amount >> 32 : pair >> amount & 0xFFFFFFFF;
}

constexpr auto kPopulation = []<class T>(const Instruction&, const Bits* s, bool&) -> Bits {
  return static_cast<Bits>(std::popcount(get<std::make_unsigned_t<T>>(s[0])));
};

constexpr auto kLeadingZeros = []<class T>(const Instruction&, const Bits* s, bool&) -> Bits {
  return static_cast<Bits>(std::countl_zero(get<std::make_unsigned_t<T>>(s[0])));
};

constexpr auto kReverse = []<class T>(const Instruction&, const Bits* s, bool&) {
  Bits reversed = 0;
  for (int i = 0; i < kWidth<T>; ++i) reversed |= (s[0] >> i & 1) << (kWidth<T> - 1 - i);
  return reversed;
};

// The place of the highest bit that differs from the sign, or how far it is to shift to the top.
constexpr auto kFindLeading = []<class T>(const Instruction& at, const Bits* s, bool&) -> Bits {
  using U = std::make_unsigned_t<T>;
  const auto value = get<U>(get<T>(s[0]) < T{0} ? ~s[0] : s[0]);
  if (value == 0) return 0xFFFFFFFF;
  const int zeros = std::countl_zero(value);
  return static_cast<Bits>(at["shiftamt"_m] ? zeros : kWidth<T> - 1 - zeros);
};

// `length` bits from `start` on; signed fields are extended by their highest bit.
constexpr auto kExtractField = []<class T>(const Instruction&, const Bits* s, bool&) {
  const int start = static_cast<int>(s[1] & 0xFF), length = static_cast<int>(s[2] & 0xFF);
  if (length == 0) return Bits{0};
  const int last = std::min(start + length, kWidth<T>) - 1;
  const bool sign = std::is_signed_v<T> && (s[0] >> last & 1);
  Bits field = 0;
  for (int i = 0; i < kWidth<T>; ++i) {
    const bool inside = i < length && start + i < kWidth<T>;
    field |= Bits{inside ? (s[0] >> (start + i) & 1) != 0 : sign} << i;
  }
  return field;
};

// Puts the low bits of a into b.
constexpr auto kInsertField = []<class T>(const Instruction&, const Bits* s, bool&) {
  const int start = static_cast<int>(s[2] & 0xFF), length = static_cast<int>(s[3] & 0xFF);
  Bits value = get<std::make_unsigned_t<T>>(s[1]);
  for (int i = 0; i < length && start + i < kWidth<T>; ++i) {
    const Bits bit = Bits{1} << (start + i);
    value = (s[0] >> i & 1) ? value | bit : value & ~bit;
  }
  return value;
};

// Each byte of the result is one of the eight of b:a, or its sign eight times.
Bits permute(const Instruction&, const Bits* s, bool&) {
  const Bits pair = s[1] << 32 | (s[0] & 0xFFFFFFFF);
  Bits value = 0;
  for (int i = 0; i < 4; ++i) {
    const Bits selector = s[2] >> (4 * i) & 0xF;
    Bits byte = pair >> (8 * (selector & 7)) & 0xFF;
    if (selector & 8) byte = byte & 0x80 ? 0xFF : 0;
    value |= byte << (8 * i);
  }
  return value;
}

// Any function of three bits: its truth table is the fourth operand.
Bits lookup(const Instruction&, const Bits* s, bool&) {
  Bits value = 0;
  for (int i = 0; i < 32; ++i) {
    const Bits row = (s[0] >> i & 1) << 2 | (s[1] >> i & 1) << 1 | (s[2] >> i & 1);
    value |= (s[3] >> row & 1) << i;
  }
  return value;
}

// One function for 32-bit registers, whatever the type is called.
template <Evaluate evaluate>
Evaluate words(const Instruction& at) {
  return bits_of(at.type) == 32 ? evaluate : nullptr;
}

constexpr Opcode kOpcodes[] = {
    {"and", Unit::arithmetic, "", 2, logic([](Bits a, Bits b) { return a & b; })},
    {"or", Unit::arithmetic, "", 2, logic([](Bits a, Bits b) { return a | b; })},
    {"xor", Unit::arithmetic, "", 2, logic([](Bits a, Bits b) { return a ^ b; })},
    {"not", Unit::arithmetic, "", 1, logic([](Bits a, Bits) { return ~a; })},
    {"shl", Unit::arithmetic, "", 2, over<integers>(kShiftLeft)},
    {"shr", Unit::arithmetic, "", 2, over<integers>(kShiftRight)},
    {"shf", Unit::arithmetic, "l r wrap clamp", 3, words<funnel>},
    {"popc", Unit::arithmetic, "", 1, over<integers>(kPopulation)},
    {"clz", Unit::arithmetic, "", 1, over<integers>(kLeadingZeros)},
    {"brev", Unit::arithmetic, "", 1, over<integers>(kReverse)},
    {"bfind", Unit::arithmetic, "shiftamt", 1, over<integers>(kFindLeading)},
    {"bfe", Unit::arithmetic, "", 3, over<integers>(kExtractField)},
    {"bfi", Unit::arithmetic, "", 4, over<integers>(kInsertField)},
    {"prmt", Unit::arithmetic, "", 3, words<permute>},
    {"lop3", Unit::arithmetic, "", 4, words<lookup>},
};

}  // namespace

std::span<const Opcode> bit_opcodes() { return kOpcodes; }

}  // namespace ag::ptx
