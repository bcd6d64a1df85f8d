// Philox4x32-10 (ir/philox.h) as Halide expressions.

#include "ir/ops/random.h"

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;

struct Product {
  Expr high, low;
};

Product multiply(uint32_t a, const Expr& b) {
  Expr product =
      Halide::cast<uint64_t>(b) * Halide::Internal::make_const(Halide::UInt(64), uint64_t{a});
  return {Halide::cast<uint32_t>(product >> 32), Halide::cast<uint32_t>(product)};
}

Expr word(uint32_t value) {
  return Halide::Internal::make_const(Halide::UInt(32), uint64_t{value});
}

// The four words of the block with this counter.
std::vector<Expr> philox(std::vector<Expr> key, std::vector<Expr> counter) {
  for (int round = 0; round < 10; ++round) {
    Product first = multiply(0xD2511F53, counter[0]), second = multiply(0xCD9E8D57, counter[2]);
    counter = {second.high ^ counter[1] ^ key[0], second.low, first.high ^ counter[3] ^ key[1],
               first.low};
    key = {key[0] + word(0x9E3779B9), key[1] + word(0xBB67AE85)};
  }
  return counter;
}

void lower_random_bits(LowerContext& c) {
  const Shape& shape = c.result_type().shape;
  uint64_t stream = static_cast<uint64_t>(c.attributes().integer("stream"));
  define(c, 0, [&](const Coordinates& at) {
    Expr index = Halide::Internal::make_const(Halide::UInt(64), 0);
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      index = index * Halide::Internal::make_const(Halide::UInt(64), shape[axis]) +
              Halide::cast<uint64_t>(at[axis]);
    }
    Expr block = index >> 2, lane = Halide::cast<int>(index & 3);
    std::vector<Expr> words =
        philox({c.operand(0, {0}), c.operand(0, {1})},
               {Halide::cast<uint32_t>(block), Halide::cast<uint32_t>(block >> 32),
                word(static_cast<uint32_t>(stream)), word(static_cast<uint32_t>(stream >> 32))});
    return Halide::select(lane == 0, words[0], lane == 1, words[1], lane == 2, words[2], words[3]);
  });
}

constexpr Lowering kRandomLowerings[] = {{&ops::random_bits, lower_random_bits}};

}  // namespace

std::span<const Lowering> random_lowerings() { return kRandomLowerings; }

}  // namespace ag::lower
