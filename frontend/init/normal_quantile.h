// The inverse of the normal distribution function, the same bits everywhere.
#pragma once

namespace ag {

// The x with P(X <= x) = probability for a standard normal X; probability in (0, 1). Relative error
// about 1e-15. M. J. Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution",
// Applied Statistics 37 (1988). Uses +, -, *, /, sqrt only (the logarithm is a series), so that any
// IEEE machine, and NumPy, gives the same double.
double normal_quantile(double probability);

}  // namespace ag
