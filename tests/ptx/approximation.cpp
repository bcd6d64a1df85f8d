// Roots, reciprocals, exponentials.
//
// The correctly rounded forms (sqrt.rn, rcp.rn) are exact. The hardware's .approx forms are tables
// with a quadratic interpolation; NVIDIA gives their errors (PTX ISA, "Floating Point
// Instructions"), and this machine computes the nearest float in their place. A test that compares
// must allow for the larger of the two:
//
//   rcp, sqrt, rsqrt, div .approx    1 to 2 ulp
//   ex2.approx                       2 ulp
//   lg2.approx                       2^-22 absolute near 1, else 2 ulp
//   sin, cos .approx                 2^-20.9 absolute in [-pi, pi], and no promise beyond
//   tanh.approx                      2^-11 relative
#include "tests/ptx/opcode.h"
#include "tests/ptx/value.h"

namespace ag::ptx {
namespace {

// F computes in double; the result is rounded once. A float's square root, reciprocal and quotient
// come out correctly rounded: double has more than twice a float's digits.
template <class F>
constexpr auto function(F) {
  return over<floats>([]<class T>(const Instruction& at, const Bits* s, bool&) {
    const double value = F{}(static_cast<double>(operand<T>(at, s[0])));
    return result(at, static_cast<T>(value));
  });
}

constexpr Opcode kOpcodes[] = {
    {"rcp", Unit::arithmetic, "rn approx ftz", 1, function([](double x) { return 1.0 / x; })},
    {"sqrt", Unit::arithmetic, "rn approx ftz", 1, function([](double x) { return std::sqrt(x); })},
    {"rsqrt", Unit::arithmetic, "approx ftz", 1,
     function([](double x) { return 1.0 / std::sqrt(x); })},
    {"ex2", Unit::arithmetic, "approx ftz", 1, function([](double x) { return std::exp2(x); })},
    {"lg2", Unit::arithmetic, "approx ftz", 1, function([](double x) { return std::log2(x); })},
    {"sin", Unit::arithmetic, "approx ftz", 1, function([](double x) { return std::sin(x); })},
    {"cos", Unit::arithmetic, "approx ftz", 1, function([](double x) { return std::cos(x); })},
    {"tanh", Unit::arithmetic, "approx ftz", 1, function([](double x) { return std::tanh(x); })},
};

}  // namespace

std::span<const Opcode> approximation_opcodes() { return kOpcodes; }

}  // namespace ag::ptx
