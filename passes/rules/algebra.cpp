#include <cmath>

#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "passes/rules/rules.h"

namespace ag {
namespace {

using namespace pattern;

bool of_float(const Match& m) { return is_float(m.root.dtype()); }

// Results of integer arithmetic on numbers wrap; only what a double holds exactly is combined.
Tensor combined(const Match& m, const OpDef& record, double number) {
  if (!of_float(m) && (std::fabs(number) >= 0x1p31 || number != std::floor(number))) return {};
  return apply(record, {m[x], m.full(number)}, {}, Where());
}

bool is_power_of_two(double value) {
  int exponent = 0;
  return std::isfinite(value) && value != 0 && std::fabs(std::frexp(value, &exponent)) == 0.5 &&
         std::abs(exponent) < 100;
}

// Numbers stand second, so that rules and cse see one form.
Tensor number_last(const Match& m) {
  Tensor first(m.root.graph(), m.node().operands[0]), second(m.root.graph(), m.node().operands[1]);
  if (!number_of(first) || number_of(second)) return {};
  return apply(*m.node().op, {second, first}, {}, Where());
}

Tensor operand(const Match& m) { return m[x]; }
Tensor zero(const Match& m) { return m.full(0); }

// Holds every value of the other type.
bool holds(DType wide, DType narrow) {
  if (wide == narrow) return true;
  if (is_float(wide) && is_float(narrow))
    return wide == DType::f64 || (wide == DType::f32 && narrow != DType::f64);
  bool fits = size_of(wide) > size_of(narrow);
  return fits && ((is_signed_integer(wide) && !is_float(narrow)) ||
                  (is_unsigned_integer(wide) && !is_float(narrow) && !is_signed_integer(narrow)));
}

Tensor there_and_back(const Match& m) {
  bool lossless = holds(m[inner].dtype(), m[x].dtype());
  return lossless && m[x].dtype() == m.root.dtype() ? m[x] : Tensor();
}

Tensor power_of_number(const Match& m) {
  struct Row {
    double exponent;
    Tensor (*value)(const Match& m);
  };
  static constexpr Row kRows[] = {
      {0, [](const Match& m) { return m.full(1); }},
      {1, operand},
      {2, [](const Match& m) { return m[x] * m[x]; }},
      {3, [](const Match& m) { return m[x] * m[x] * m[x]; }},
      {0.5, [](const Match& m) { return ag::sqrt(m[x]); }},
      {-0.5, [](const Match& m) { return ag::rsqrt(m[x]); }},
      {-1, [](const Match& m) { return ag::reciprocal(m[x]); }},
  };
  for (const Row& row : kRows) {
    if (row.exponent == m.number(c)) return row.value(m);
  }
  return {};
}

}  // namespace

std::vector<Rule> algebra_rules() {
  return {
      {"add-number-last", op(ops::add, x, y), number_last, true},
      {"mul-number-last", op(ops::multiply, x, y), number_last, true},
      {"max-number-last", op(ops::maximum, x, y), number_last, true},
      {"min-number-last", op(ops::minimum, x, y), number_last, true},

      {"add-zero", op(ops::add, x, 0.0), operand, true},
      {"sub-zero", op(ops::subtract, x, 0.0), operand, true},
      {"zero-sub", op(ops::subtract, 0.0, x), [](const Match& m) { return -m[x]; }, true},
      {"sub-same", op(ops::subtract, x, x), zero, true},
      {"mul-one", op(ops::multiply, x, 1.0), operand, true},
      {"mul-zero", op(ops::multiply, x, 0.0), zero, true},
      {"mul-minus-one", op(ops::multiply, x, -1.0), [](const Match& m) { return -m[x]; }, true},
      {"div-one", op(ops::divide, x, 1.0), operand, true},
      {"div-power-of-two", op(ops::divide, x, c),
       [](const Match& m) {
         if (!of_float(m) || !is_power_of_two(m.number(c))) return Tensor();
         return m[x] * m.full(1 / m.number(c));
       },
       true},

      {"double-negate", op(ops::negate, op(ops::negate, x)), operand, true},
      {"negate-sub", op(ops::negate, op(ops::subtract, x, y)),
       [](const Match& m) { return m[y] - m[x]; }, true},
      {"add-negate", op(ops::add, x, op(ops::negate, y)),
       [](const Match& m) { return m[x] - m[y]; }, true},
      {"sub-negate", op(ops::subtract, x, op(ops::negate, y)),
       [](const Match& m) { return m[x] + m[y]; }, true},
      {"mul-negate-number", op(ops::multiply, op(ops::negate, x), c),
       [](const Match& m) { return m[x] * m.full(-m.number(c)); }, true},
      {"negate-mul-number", op(ops::negate, op(ops::multiply, x, c)),
       [](const Match& m) { return m[x] * m.full(-m.number(c)); }, true},

      {"add-numbers", op(ops::add, op(ops::add, x, c), d),
       [](const Match& m) { return combined(m, ops::add, m.number(c) + m.number(d)); }, true},
      {"mul-numbers", op(ops::multiply, op(ops::multiply, x, c), d),
       [](const Match& m) { return combined(m, ops::multiply, m.number(c) * m.number(d)); }, true},
      {"power-number", op(ops::power, x, c), power_of_number, true},

      {"relu-relu", op(ops::relu, op(ops::relu, x)), [](const Match& m) { return ag::relu(m[x]); },
       true},
      {"abs-abs", op(ops::abs, op(ops::abs, x)), [](const Match& m) { return ag::abs(m[x]); },
       true},
      {"abs-negate", op(ops::abs, op(ops::negate, x)), [](const Match& m) { return ag::abs(m[x]); },
       true},
      {"reciprocal-sqrt", op(ops::reciprocal, op(ops::sqrt, x)),
       [](const Match& m) { return ag::rsqrt(m[x]); }, true},
      {"one-over-sqrt", op(ops::divide, 1.0, op(ops::sqrt, x)),
       [](const Match& m) { return ag::rsqrt(m[x]); }, true},
      {"max-same", op(ops::maximum, x, x), operand, true},
      {"min-same", op(ops::minimum, x, x), operand, true},
      {"cast-same", op(ops::cast, x),
       [](const Match& m) { return m[x].type() == m.root.type() ? m[x] : Tensor(); }, true},
      {"cast-there-and-back", op(ops::cast, op(ops::cast, x).as(inner)), there_and_back, true},

      {"double-not", op(ops::logical_not, op(ops::logical_not, x)), operand, true},
      {"select-same", op(ops::select, x, y, y), [](const Match& m) { return m[y]; }, true},
      {"select-number", op(ops::select, c, x, y),
       [](const Match& m) { return m.number(c) != 0 ? m[x] : m[y]; }, true},
      {"select-not", op(ops::select, op(ops::logical_not, x), y, z),
       [](const Match& m) { return ag::select(m[x], m[z], m[y]); }, true},
      {"and-true", op(ops::bit_and, x, 1.0),
       [](const Match& m) { return m.root.dtype() == DType::boolean ? m[x] : Tensor(); }, true},
      {"or-zero", op(ops::bit_or, x, 0.0), operand, true},
      {"xor-zero", op(ops::bit_xor, x, 0.0), operand, true},
  };
}

}  // namespace ag
