#include "ir/ops/pointwise.h"

#include "codegen/lower/lowering.h"
#include "codegen/lower/math.h"

namespace ag::lower {
namespace {

using Halide::Expr;

Expr one(const Expr& x) { return Halide::cast(x.type(), 1); }
Expr zero(const Expr& x) { return Halide::cast(x.type(), 0); }

template <Expr (*function)(const Expr&)>
void unary(LowerContext& c) {
  define(c, 0, [&](const Coordinates& at) { return function(c.operand(0, at)); });
}

template <Expr (*function)(const Expr&, const Expr&)>
void binary(LowerContext& c) {
  define(c, 0, [&](const Coordinates& at) { return function(c.operand(0, at), c.operand(1, at)); });
}

Expr negate_of(const Expr& x) { return -x; }
Expr abs_of(const Expr& x) {
  return x.type().is_uint() ? x : Halide::cast(x.type(), Halide::abs(x));
}
Expr sign_of(const Expr& x) {
  Expr below = x.type().is_uint() ? zero(x) : Halide::select(x < zero(x), -one(x), zero(x));
  return Halide::select(x > zero(x), one(x), below);
}
Expr exp_of(const Expr& x) { return Halide::exp(x); }
Expr log_of(const Expr& x) { return Halide::log(x); }
Expr sqrt_of(const Expr& x) { return Halide::sqrt(x); }
Expr rsqrt_of(const Expr& x) { return one(x) / Halide::sqrt(x); }
Expr reciprocal_of(const Expr& x) { return one(x) / x; }
Expr relu_of(const Expr& x) { return Halide::max(x, zero(x)); }
Expr floor_of(const Expr& x) { return Halide::floor(x); }
Expr ceil_of(const Expr& x) { return Halide::ceil(x); }
Expr round_of(const Expr& x) { return Halide::round(x); }
Expr not_of(const Expr& x) { return !x; }
Expr same(const Expr& x) { return x; }

Expr add_of(const Expr& a, const Expr& b) { return a + b; }
Expr subtract_of(const Expr& a, const Expr& b) { return a - b; }
Expr multiply_of(const Expr& a, const Expr& b) { return a * b; }
Expr maximum_of(const Expr& a, const Expr& b) { return Halide::max(a, b); }
Expr minimum_of(const Expr& a, const Expr& b) { return Halide::min(a, b); }
Expr power_of(const Expr& a, const Expr& b) { return Halide::pow(a, b); }
// Integers truncate toward zero; by zero gives zero.
Expr divide_of(const Expr& a, const Expr& b) {
  if (a.type().is_float()) return a / b;
  Expr divisor = Halide::select(b == zero(b), one(b), b);
  return Halide::select(b == zero(b), zero(a), Halide::div_round_to_zero(a, divisor));
}
Expr and_of(const Expr& a, const Expr& b) { return a.type().is_bool() ? a && b : a & b; }
Expr or_of(const Expr& a, const Expr& b) { return a.type().is_bool() ? a || b : a | b; }
Expr xor_of(const Expr& a, const Expr& b) { return a.type().is_bool() ? a != b : a ^ b; }
Expr shift_left_of(const Expr& a, const Expr& b) {
  return a << Halide::cast(b.type().with_code(halide_type_uint), b);
}
Expr shift_right_of(const Expr& a, const Expr& b) {
  return a >> Halide::cast(b.type().with_code(halide_type_uint), b);
}
Expr equal_of(const Expr& a, const Expr& b) { return a == b; }
Expr not_equal_of(const Expr& a, const Expr& b) { return a != b; }
Expr less_of(const Expr& a, const Expr& b) { return a < b; }
Expr less_equal_of(const Expr& a, const Expr& b) { return a <= b; }
Expr greater_of(const Expr& a, const Expr& b) { return a > b; }
Expr greater_equal_of(const Expr& a, const Expr& b) { return a >= b; }

// A cast to f16 or bf16 rounds, although the value stays in f32 until it is stored.
void lower_cast(LowerContext& c) {
  DType to = c.result_type().dtype;
  define(c, 0, [&](const Coordinates& at) {
    Expr x = c.operand(0, at);
    if (to == DType::boolean) return x != zero(x);
    const Target& target = c.kernel.target;
    return as_computed(target, to, as_stored(target, to, x));
  });
}

void lower_select(LowerContext& c) {
  define(c, 0, [&](const Coordinates& at) {
    return Halide::select(c.operand(0, at), c.operand(1, at), c.operand(2, at));
  });
}

constexpr Lowering kPointwiseLowerings[] = {
    {&ops::negate, unary<negate_of>},
    {&ops::abs, unary<abs_of>},
    {&ops::sign, unary<sign_of>},
    {&ops::exp, unary<exp_of>},
    {&ops::log, unary<log_of>},
    {&ops::sqrt, unary<sqrt_of>},
    {&ops::rsqrt, unary<rsqrt_of>},
    {&ops::reciprocal, unary<reciprocal_of>},
    {&ops::sin, unary<sin_of>},
    {&ops::cos, unary<cos_of>},
    {&ops::tanh, unary<tanh_of>},
    {&ops::erf, unary<erf_of>},
    {&ops::gelu_slope, unary<gelu_slope_of>},
    {&ops::sigmoid, unary<sigmoid_of>},
    {&ops::relu, unary<relu_of>},
    {&ops::floor, unary<floor_of>},
    {&ops::ceil, unary<ceil_of>},
    {&ops::round, unary<round_of>},
    {&ops::logical_not, unary<not_of>},
    {&ops::stop_gradient, unary<same>},
    {&ops::add, binary<add_of>},
    {&ops::subtract, binary<subtract_of>},
    {&ops::multiply, binary<multiply_of>},
    {&ops::divide, binary<divide_of>},
    {&ops::maximum, binary<maximum_of>},
    {&ops::minimum, binary<minimum_of>},
    {&ops::power, binary<power_of>},
    {&ops::bit_and, binary<and_of>},
    {&ops::bit_or, binary<or_of>},
    {&ops::bit_xor, binary<xor_of>},
    {&ops::shift_left, binary<shift_left_of>},
    {&ops::shift_right, binary<shift_right_of>},
    {&ops::equal, binary<equal_of>},
    {&ops::not_equal, binary<not_equal_of>},
    {&ops::less, binary<less_of>},
    {&ops::less_equal, binary<less_equal_of>},
    {&ops::greater, binary<greater_of>},
    {&ops::greater_equal, binary<greater_equal_of>},
    {&ops::cast, lower_cast},
    {&ops::select, lower_select},
};

}  // namespace

std::span<const Lowering> pointwise_lowerings() { return kPointwiseLowerings; }

}  // namespace ag::lower
