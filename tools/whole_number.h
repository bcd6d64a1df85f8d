// Counts on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>

namespace ag {

// Takes whole numbers from `low` to `high`: "0 is not a whole number from 1 to 256".
CLI::Validator whole_number(int64_t low = 1, int64_t high = std::numeric_limits<int32_t>::max());
// Takes seeds of random numbers.
inline CLI::Validator seed_number() {
  return whole_number(0, std::numeric_limits<int64_t>::max());
}

}  // namespace ag
