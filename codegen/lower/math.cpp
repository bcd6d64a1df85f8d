#include "codegen/lower/math.h"

#include <initializer_list>
#include <numbers>

namespace ag::lower {
namespace {

using Halide::Expr;

bool is_f32(const Expr& x) { return x.type() == Halide::Float(32); }

// c[0] + c[1] x + c[2] x² + …
Expr polynomial(const Expr& x, std::initializer_list<double> coefficients) {
  Expr sum;
  for (auto c = std::rbegin(coefficients); c != std::rend(coefficients); ++c) {
    Expr term = Halide::cast(x.type(), Expr(*c));
    sum = sum.defined() ? sum * x + term : term;
  }
  return sum;
}

struct Reduced {
  Expr quadrant;   // nearest multiple of π/2, as an integer
  Expr remainder;  // x − quadrant·π/2, in [−π/4, π/4]
};

// Cody and Waite's reduction with π/2 in three parts of few bits.
Reduced reduce_by_half_pi(const Expr& x) {
  Expr multiple = Halide::round(x * 0.636619772f);
  Expr r = x - multiple * 1.5703125f;
  r = r - multiple * 4.837512969970703e-4f;
  r = r - multiple * 7.549789948768648e-8f;
  return {Halide::cast<int>(multiple), r};
}

// exp of f32 values in [−87, 87], where the result is a normal number. With n = round(x / ln 2) it
// is 2ⁿ exp(r): n is added to the exponent's bits; the polynomial is a minimax fit on [−ln 2 / 2,
// ln 2 / 2] (Remez), exactly 1 at 0. Relative error 2.0e-9, with all roundings 8.7e-8.
Expr exp_within(const Expr& x) {
  Expr n = Halide::round(x * 1.44269504f);
  Expr r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Expr p = polynomial(r, {1.0, 1.0000000323, 4.9999994192e-1, 1.6666430800e-1, 4.1668004726e-2,
                          8.3741956393e-3, 1.3843606750e-3});
  return Halide::reinterpret<float>(Halide::reinterpret<int>(p) + (Halide::cast<int>(n) << 23));
}

// Minimax polynomials on [−π/4, π/4] (Cephes, S. Moshier, sinf.c).
Expr sin_near_zero(const Expr& r) {
  Expr z = r * r;
  return r + r * z * polynomial(z, {-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4});
}

Expr cos_near_zero(const Expr& r) {
  Expr z = r * r;
  return 1.0f - 0.5f * z +
         z * z * polynomial(z, {4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5});
}

}  // namespace

Expr tanh_of(const Expr& x) {
  if (!is_f32(x)) return Halide::tanh(x);
  Expr magnitude = Halide::min(Halide::abs(x), 10.0f);
  Expr z = x * x;
  // Cephes tanhf.c below 0.625, the exponential form above.
  Expr small = x + x * z *
                       polynomial(z, {-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2,
                                      2.06390887954e-2, -5.70498872745e-3});
  Expr large = 1.0f - 2.0f / (Halide::exp(2.0f * magnitude) + 1.0f);
  return Halide::select(Halide::abs(x) < 0.625f, small, Halide::select(x < 0.0f, -large, large));
}

Expr sigmoid_of(const Expr& x) {
  Expr one = Halide::cast(x.type(), 1);
  if (!is_f32(x)) return one / (one + Halide::exp(-x));
  return one / (one + exp_within(-Halide::clamp(x, -87.0f, 87.0f)));
}

Expr sin_of(const Expr& x) {
  if (!is_f32(x)) return Halide::sin(x);
  Reduced reduced = reduce_by_half_pi(x);
  Expr odd = (reduced.quadrant & 1) != 0, negative = (reduced.quadrant & 2) != 0;
  Expr value =
      Halide::select(odd, cos_near_zero(reduced.remainder), sin_near_zero(reduced.remainder));
  return Halide::select(negative, -value, value);
}

Expr cos_of(const Expr& x) {
  if (!is_f32(x)) return Halide::cos(x);
  Reduced reduced = reduce_by_half_pi(x);
  Expr odd = (reduced.quadrant & 1) != 0, negative = ((reduced.quadrant + 1) & 2) != 0;
  Expr value =
      Halide::select(odd, sin_near_zero(reduced.remainder), cos_near_zero(reduced.remainder));
  return Halide::select(negative, -value, value);
}

// f32: x P(x²) / Q(x²) on [−4, 4], beyond which erf is ±1 in f32; the coefficients are Eigen's
// (generic_fast_erf_float, B. Steiner). At most 3.3e-7 from erf.
Expr erf_of(const Expr& x) {
  if (is_f32(x)) {
    const Expr near = Halide::clamp(x, -4.0f, 4.0f), z = near * near;
    const Expr p =
        polynomial(z, {-1.60960333262415e-02, -2.95459980854025e-03, -7.34990630326855e-04,
                       -5.69250639462346e-05, -2.10102402082508e-06, 2.77068142495902e-08,
                       -2.72614225801306e-10});
    const Expr q =
        polynomial(z, {-1.42647390514189e-02, -7.37332916720468e-03, -1.68282697438203e-03,
                       -2.13374055278905e-04, -1.45660718464996e-05});
    return Halide::clamp(near * p / q, -1.0f, 1.0f);
  }
  return Halide::Internal::Call::make(x.type(), "erf", {x}, Halide::Internal::Call::PureExtern);
}

// f32: 1/2 + x P(x²) / Q(x²), a minimax fit on [−6, 6] (iterated least squares), beyond which the
// slope is 0 or 1 to 4e-8. At most 1.4e-7 from it, with all roundings 3.7e-7.
Expr gelu_slope_of(const Expr& x) {
  if (is_f32(x)) {
    const Expr near = Halide::clamp(x, -6.0f, 6.0f), z = near * near;
    const Expr p = polynomial(z, {7.978845324e-01, -3.074343579e-02, 1.420917306e-02,
                                  2.418441923e-05, 3.585057262e-05, 1.908850079e-07});
    const Expr q = polynomial(z, {1.0, 2.948057006e-01, 4.106470254e-02, 3.528762793e-03,
                                  1.935199667e-04, 8.887475390e-06});
    return near * p / q + 0.5f;
  }
  const auto number = [&](double value) { return Halide::cast(x.type(), Expr(value)); };
  const double peak = 0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;  // 1/√(2π)
  return number(0.5) * (number(1) + erf_of(x * number(0.5 * std::numbers::sqrt2))) +
         x * number(peak) * Halide::exp(x * x * number(-0.5));
}

}  // namespace ag::lower
