// Philox4x32-10, the counter-based generator behind every random number of Argent (Salmon, Moraes,
// Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). A block of four words is a
// pure function of (key, counter): the interpreter, compiled kernels, initialisers, augmentation
// and the Python twin (scripts/philox_init.py) all produce the same bits.
#pragma once

#include <array>
#include <cstdint>

namespace ag {

using PhiloxKey = std::array<uint32_t, 2>;
using PhiloxBlock = std::array<uint32_t, 4>;

// The block of `counter` under `key`.
constexpr PhiloxBlock philox4x32(PhiloxKey key, PhiloxBlock counter) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

// Word `index` of the stream of `key`: word index % 4 of the block with counter index / 4 (the
// low 32 bits in counter word 0, the high ones in word 1). Element i of a random tensor is word i.
constexpr uint32_t philox_word(PhiloxKey key, uint64_t index) {
  const uint64_t block = index / 4;
  return philox4x32(
      key, {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0})[index % 4];
}

// Uniform in [0, 1) with 24 bits: exact in f32, the same on every machine.
constexpr float philox_uniform(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

// A key from a 64-bit seed.
constexpr PhiloxKey philox_key(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

}  // namespace ag
