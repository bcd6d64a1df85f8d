#include "codegen/nvptx/elementwise.h"

#include <initializer_list>

#include "ir/ops/pointwise.h"

namespace ag::nvptx {
namespace {

using llvm::Intrinsic::ID;
using Builder = llvm::IRBuilder<>;
using Operands = llvm::ArrayRef<llvm::Value*>;
using llvm::Value;

Value* real(Builder& at, double value) { return llvm::ConstantFP::get(at.getFloatTy(), value); }

Value* unary_call(Builder& at, ID intrinsic, Value* x) {
  return at.CreateUnaryIntrinsic(intrinsic, x);
}

Value* fma(Builder& at, Value* a, Value* b, Value* c) {
  return at.CreateIntrinsic(llvm::Intrinsic::fma, {at.getFloatTy()}, {a, b, c});
}

// c[0] + c[1] x + c[2] x² + …
Value* polynomial(Builder& at, Value* x, std::initializer_list<double> coefficients) {
  Value* sum = nullptr;
  for (auto c = std::rbegin(coefficients); c != std::rend(coefficients); ++c)
    sum = sum ? fma(at, sum, x, real(at, *c)) : real(at, *c);
  return sum;
}

// NaN stays NaN.
Value* clamp(Builder& at, Value* x, double low, double high) {
  x = at.CreateSelect(at.CreateFCmpOLT(x, real(at, low)), real(at, low), x);
  return at.CreateSelect(at.CreateFCmpOGT(x, real(at, high)), real(at, high), x);
}

Value* power_of_two(Builder& at, Value* exponent) {
  Value* bits = at.CreateShl(at.CreateAdd(exponent, at.getInt32(127)), at.getInt32(23));
  return at.CreateBitCast(bits, at.getFloatTy());
}

// With n = round(x / ln 2) it is 2ⁿ exp(x − n ln 2), the second by a minimax polynomial of relative
// error 2e-9 (see codegen/lower/math.cpp); 2ⁿ in two factors, so that the result may be subnormal
// or infinite.
Value* exp_of(Builder& at, Value* x) {
  constexpr double kFar = 200;  // beyond which exp is 0 or infinite
  Value* near = clamp(at, x, -kFar, kFar);
  Value* n = unary_call(at, llvm::Intrinsic::nearbyint, at.CreateFMul(near, real(at, 1.44269504)));
  Value* r = fma(at, n, real(at, -0.693359375), near);
  r = fma(at, n, real(at, 2.12194440e-4), r);
  Value* p = polynomial(at, r,
                        {1.0, 1.0000000323, 4.9999994192e-1, 1.6666430800e-1, 4.1668004726e-2,
                         8.3741956393e-3, 1.3843606750e-3});
  Value* whole = at.CreateFreeze(at.CreateFPToSI(n, at.getInt32Ty()));
  Value* half = at.CreateAShr(whole, at.getInt32(1));
  Value* rest = at.CreateSub(whole, half);
  return at.CreateFMul(at.CreateFMul(p, power_of_two(at, half)), power_of_two(at, rest));
}

Value* sigmoid_of(Builder& at, Value* x) {
  Value* one = real(at, 1);
  return at.CreateFDiv(one, at.CreateFAdd(one, exp_of(at, at.CreateFNeg(x))));
}

// Cephes tanhf.c below 0.625, the exponential form above.
Value* tanh_of(Builder& at, Value* x) {
  Value* magnitude = unary_call(at, llvm::Intrinsic::fabs, x);
  Value* z = at.CreateFMul(x, x);
  Value* near = polynomial(at, z,
                           {-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2,
                            2.06390887954e-2, -5.70498872745e-3});
  near = fma(at, at.CreateFMul(x, z), near, x);
  Value* grown = exp_of(at, at.CreateFMul(real(at, 2), magnitude));
  Value* far = at.CreateFDiv(real(at, 2), at.CreateFAdd(grown, real(at, 1)));
  far = at.CreateFSub(real(at, 1), far);
  far = at.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, far, x);
  return at.CreateSelect(at.CreateFCmpOLT(magnitude, real(at, 0.625)), near, far);
}

// x P(x²) / Q(x²) on [−4, 4]: see codegen/lower/math.cpp.
Value* erf_of(Builder& at, Value* x) {
  Value* near = clamp(at, x, -4, 4);
  Value* z = at.CreateFMul(near, near);
  Value* p = polynomial(
      at, z,
      {-1.60960333262415e-02, -2.95459980854025e-03, -7.34990630326855e-04, -5.69250639462346e-05,
       -2.10102402082508e-06, 2.77068142495902e-08, -2.72614225801306e-10});
  Value* q = polynomial(at, z,
                        {-1.42647390514189e-02, -7.37332916720468e-03, -1.68282697438203e-03,
                         -2.13374055278905e-04, -1.45660718464996e-05});
  return clamp(at, at.CreateFDiv(at.CreateFMul(near, p), q), -1, 1);
}

// 1/2 + x P(x²) / Q(x²) on [−6, 6]: see codegen/lower/math.cpp.
Value* gelu_slope_of(Builder& at, Value* x) {
  Value* near = clamp(at, x, -6, 6);
  Value* z = at.CreateFMul(near, near);
  Value* p = polynomial(at, z,
                        {7.978845324e-01, -3.074343579e-02, 1.420917306e-02, 2.418441923e-05,
                         3.585057262e-05, 1.908850079e-07});
  Value* q = polynomial(
      at, z,
      {1.0, 2.948057006e-01, 4.106470254e-02, 3.528762793e-03, 1.935199667e-04, 8.887475390e-06});
  return at.CreateFAdd(at.CreateFDiv(at.CreateFMul(near, p), q), real(at, 0.5));
}

Value* relu_of(Builder& at, Value* x) {
  return at.CreateSelect(at.CreateFCmpOGT(x, real(at, 0)), x, real(at, 0));
}

template <Value* (*function)(Builder&, Value*)>
Value* unary(Builder& at, Operands x) {
  return function(at, x[0]);
}

template <ID intrinsic>
Value* named(Builder& at, Operands x) {
  return unary_call(at, intrinsic, x[0]);
}

template <llvm::CmpInst::Predicate predicate>
Value* compare(Builder& at, Operands x) {
  return at.CreateFCmp(predicate, x[0], x[1]);
}

// The operand that compares so, else the second.
template <llvm::CmpInst::Predicate predicate>
Value* pick(Builder& at, Operands x) {
  return at.CreateSelect(at.CreateFCmp(predicate, x[0], x[1]), x[0], x[1]);
}

struct Row {
  const OpDef* op;
  Value* (*make)(Builder&, Operands);
};

constexpr Row kRows[] = {
    {&ops::negate, [](Builder& at, Operands x) { return at.CreateFNeg(x[0]); }},
    {&ops::abs, named<llvm::Intrinsic::fabs>},
    {&ops::exp, unary<exp_of>},
    {&ops::sqrt, named<llvm::Intrinsic::sqrt>},
    {&ops::rsqrt,
     [](Builder& at, Operands x) {
       return at.CreateFDiv(real(at, 1), unary_call(at, llvm::Intrinsic::sqrt, x[0]));
     }},
    {&ops::reciprocal, [](Builder& at, Operands x) { return at.CreateFDiv(real(at, 1), x[0]); }},
    {&ops::tanh, unary<tanh_of>},
    {&ops::erf, unary<erf_of>},
    {&ops::gelu_slope, unary<gelu_slope_of>},
    {&ops::sigmoid, unary<sigmoid_of>},
    {&ops::relu, unary<relu_of>},
    {&ops::floor, named<llvm::Intrinsic::floor>},
    {&ops::ceil, named<llvm::Intrinsic::ceil>},
    {&ops::stop_gradient, [](Builder&, Operands x) { return x[0]; }},
    {&ops::logical_not, [](Builder& at, Operands x) { return at.CreateNot(x[0]); }},
    {&ops::bit_and, [](Builder& at, Operands x) { return at.CreateAnd(x[0], x[1]); }},
    {&ops::bit_or, [](Builder& at, Operands x) { return at.CreateOr(x[0], x[1]); }},
    {&ops::add, [](Builder& at, Operands x) { return at.CreateFAdd(x[0], x[1]); }},
    {&ops::subtract, [](Builder& at, Operands x) { return at.CreateFSub(x[0], x[1]); }},
    {&ops::multiply, [](Builder& at, Operands x) { return at.CreateFMul(x[0], x[1]); }},
    {&ops::divide, [](Builder& at, Operands x) { return at.CreateFDiv(x[0], x[1]); }},
    {&ops::maximum, pick<llvm::CmpInst::FCMP_OGT>},
    {&ops::minimum, pick<llvm::CmpInst::FCMP_OLT>},
    {&ops::equal, compare<llvm::CmpInst::FCMP_OEQ>},
    {&ops::not_equal, compare<llvm::CmpInst::FCMP_UNE>},
    {&ops::less, compare<llvm::CmpInst::FCMP_OLT>},
    {&ops::less_equal, compare<llvm::CmpInst::FCMP_OLE>},
    {&ops::greater, compare<llvm::CmpInst::FCMP_OGT>},
    {&ops::greater_equal, compare<llvm::CmpInst::FCMP_OGE>},
    {&ops::select, [](Builder& at, Operands x) { return at.CreateSelect(x[0], x[1], x[2]); }},
};

}  // namespace

Value* elementwise(Builder& at, const OpDef& op, Operands operands) {
  for (const Row& row : kRows) {
    if (row.op == &op) return row.make(at, operands);
  }
  return nullptr;
}

}  // namespace ag::nvptx
