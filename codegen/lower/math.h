// Elementary functions as vector polynomials, where Halide would call libm lane by lane. The f32
// forms state their error against the exact value; f64 goes through libm.
#pragma once

#include <Halide.h>

namespace ag::lower {

Halide::Expr tanh_of(const Halide::Expr& x);     // f32: 2 ulp
Halide::Expr sigmoid_of(const Halide::Expr& x);  // f32: 3 ulp
Halide::Expr sin_of(const Halide::Expr& x);      // f32: 2 ulp for |x| < 8192
Halide::Expr cos_of(const Halide::Expr& x);      // f32: 2 ulp for |x| < 8192
Halide::Expr erf_of(const Halide::Expr& x);      // f32: 4 ulp
// Φ(x) + x φ(x); f32: 4e-7.
Halide::Expr gelu_slope_of(const Halide::Expr& x);

}  // namespace ag::lower
