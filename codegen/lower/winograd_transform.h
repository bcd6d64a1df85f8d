// Products with the small constant matrices of Winograd's algorithm.
#pragma once

#include <Halide.h>

#include <functional>

#include "ir/ops/winograd.h"

namespace ag::lower {

// Row `which` of matrix · terms, for a loop variable that the schedule unrolls.
Halide::Expr transformed(const WinogradMatrices::Matrix& matrix, const Halide::Var& which,
                         const std::function<Halide::Expr(int)>& term);

}  // namespace ag::lower
