// Comparisons and selections.
#include "tests/ptx/opcode.h"
#include "tests/ptx/value.h"

namespace ag::ptx {
namespace {

// Comparisons named as they are written are false when an operand is NaN; those ending in u are
// true then.
template <class T>
bool compared(const Instruction& at, T a, T b) {
  bool unordered = false;
  if constexpr (kIsFloat<T>) {
    unordered = std::isnan(static_cast<double>(a)) || std::isnan(static_cast<double>(b));
  }
  if (at["num"_m]) return !unordered;
  if (at["nan"_m]) return unordered;
  if (unordered) {
    return at["equ"_m] || at["neu"_m] || at["ltu"_m] || at["leu"_m] || at["gtu"_m] || at["geu"_m];
  }
  const bool less = at["lt"_m] || at["lo"_m] || at["le"_m] || at["ls"_m] || at["ltu"_m] ||
                    at["leu"_m] || at["ne"_m] || at["neu"_m];
  const bool equal = at["eq"_m] || at["equ"_m] || at["le"_m] || at["ls"_m] || at["leu"_m] ||
                     at["ge"_m] || at["hs"_m] || at["geu"_m];
  const bool greater = at["gt"_m] || at["hi"_m] || at["ge"_m] || at["hs"_m] || at["gtu"_m] ||
                       at["geu"_m] || at["ne"_m] || at["neu"_m];
  return a < b ? less : b < a ? greater : equal;
}

bool combined(const Instruction& at, bool compared, bool other) {
  if (at["and"_m]) return compared && other;
  if (at["or"_m]) return compared || other;
  if (at["xor"_m]) return compared != other;
  return compared;
}

// Two bits: the predicate, and above it the one for the comparison's opposite.
constexpr auto kSetPredicate = []<class T>(const Instruction& at, const Bits* s, bool&) -> Bits {
  const bool yes = compared(at, operand<T>(at, s[0]), operand<T>(at, s[1]));
  return Bits{combined(at, yes, s[2] & 1)} | Bits{combined(at, !yes, s[2] & 1)} << 1;
};

// All ones or 1.0 for true.
constexpr auto kSet = []<class T>(const Instruction& at, const Bits* s, bool&) -> Bits {
  const bool yes = combined(at, compared(at, operand<T>(at, s[0]), operand<T>(at, s[1])), s[2] & 1);
  if (at.type == Type::f32) return put(yes ? 1.0f : 0.0f);
  return yes ? 0xFFFFFFFF : 0;
};

// The comparison's type is that of the operands.
template <class F>
constexpr auto of_source(F) {
  return [](const Instruction& at) -> Evaluate { return instance<numbers, F>(at.source); };
}

constexpr auto kSelect = []<class T>(const Instruction&, const Bits* s, bool&) {
  return put(get<T>(s[2] & 1 ? s[0] : s[1]));
};

#define AG_PTX_COMPARISONS \
  "eq ne lt le gt ge lo ls hi hs equ neu ltu leu gtu geu num nan and or xor ftz"

constexpr Opcode kOpcodes[] = {
    {"setp", Unit::arithmetic, AG_PTX_COMPARISONS, 2, of_source(kSetPredicate)},
    {"set", Unit::arithmetic, AG_PTX_COMPARISONS, 2, of_source(kSet)},
    {"selp", Unit::arithmetic, "", 3, over<numbers>(kSelect)},
};
#undef AG_PTX_COMPARISONS

}  // namespace

std::span<const Opcode> compare_opcodes() { return kOpcodes; }

}  // namespace ag::ptx
