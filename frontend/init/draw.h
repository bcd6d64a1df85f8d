// First values of parameters, drawn from their Initializer.
//
// A parameter's numbers depend on the seed, its name and its own description, on nothing else: not
// on other parameters, on threads or on the machine. scripts/philox_init.py draws the same bits
// with NumPy. With h the 64-bit FNV-1a hash of the name, the parameter's Philox key is the first
// two words of the block of counter (low h, high h, 0, 0) under the seed, and element i takes word
// i:
//   uniform  f32((2 u - 1) * bound) in double, u = (word >> 8) * 2^-24
//   normal   f32(quantile((word + 0.5) * 2^-32) * deviation), see normal_quantile.h
#pragma once

#include <string>
#include <vector>

#include "frontend/initializer.h"
#include "ir/array.h"
#include "ir/philox.h"

namespace ag {

// The key of the numbers of `name` under `seed`.
PhiloxKey name_key(uint64_t seed, const std::string& name);

// The first value of `parameter`. Throws CompileError where the scheme does not fit the type: fans
// of a tensor with fewer than two axes, random numbers of an integer type.
Array draw(const Parameter& parameter, uint64_t seed);

}  // namespace ag
