#include "frontend/init/normal_quantile.h"

#include <array>
#include <cmath>

namespace ag {
namespace {

using Coefficients = std::array<double, 8>;

struct Rational {
  Coefficients numerator, denominator;  // lowest power first
};

constexpr Rational kCentral{
    {3.3871328727963666080, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
     1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
     3.3430575583588128105e+4, 2.5090809287301226727e+3},
    {1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
     2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
     5.2264952788528545610e+3}};
constexpr Rational kTail{
    {1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2,
     7.74545014278341407640e-4},
    {1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9}};
constexpr Rational kFarTail{
    {6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
     2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
     2.71155556874348757815e-5, 2.01033439929228813265e-7},
    {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15}};

double polynomial(const Coefficients& coefficients, double x) {
  double sum = coefficients.back();
  for (size_t i = coefficients.size() - 1; i-- > 0;) sum = sum * x + coefficients[i];
  return sum;
}

double ratio(const Rational& rational, double x) {
  return polynomial(rational.numerator, x) / polynomial(rational.denominator, x);
}

// ln x = e ln 2 + 2 artanh((m - 1) / (m + 1)) with x = m 2^e and m in [1/2, 1).
double logarithm(double x) {
  constexpr double kLn2 = 0.693147180559945309417;
  constexpr int kTerms = 17;  // the last one is below 2^-53: ((1 - 1/2) / (1 + 1/2))^34 / 35
  int exponent = 0;
  const double mantissa = std::frexp(x, &exponent);
  const double t = (mantissa - 1.0) / (mantissa + 1.0);
  const double t2 = t * t;
  double sum = 0.0;
  for (int k = kTerms; k >= 0; --k) sum = sum * t2 + 1.0 / (2 * k + 1);
  return exponent * kLn2 + 2.0 * t * sum;
}

}  // namespace

double normal_quantile(double probability) {
  const double q = probability - 0.5;
  if (std::fabs(q) <= 0.425) return q * ratio(kCentral, 0.180625 - q * q);
  const double tail = q < 0.0 ? probability : 1.0 - probability;
  const double r = std::sqrt(-logarithm(tail));
  const double x = r <= 5.0 ? ratio(kTail, r - 1.6) : ratio(kFarTail, r - 5.0);
  return q < 0.0 ? -x : x;
}

}  // namespace ag
