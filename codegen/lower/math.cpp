#include "codegen/lower/math.h"

#include <initializer_list>

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
  return one / (one + Halide::exp(-Halide::clamp(x, -87.0f, 87.0f)));
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

// Halide has erf in f32 alone.
Expr erf_of(const Expr& x) {
  if (is_f32(x)) return Halide::erf(x);
  return Halide::Internal::Call::make(x.type(), "erf", {x}, Halide::Internal::Call::PureExtern);
}

}  // namespace ag::lower
