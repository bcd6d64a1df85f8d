#include <doctest/doctest.h>

#include "ir/philox.h"

using namespace ag;

// The known-answer vectors of Random123 1.09 (kat_vectors, philox4x32 with 10 rounds).
TEST_CASE("philox4x32-10 gives the published answers") {
  CHECK(philox4x32({0, 0}, {0, 0, 0, 0}) ==
        PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}) ==
        PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}) ==
        PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the words of a stream are the words of consecutive blocks") {
  const PhiloxKey key = philox_key(0x0123456789abcdefULL);
  CHECK(key == PhiloxKey{0x89abcdef, 0x01234567});
  const PhiloxBlock second = philox4x32(key, {1, 0, 0, 0});
  for (uint64_t i = 0; i < 4; ++i) CHECK(philox_word(key, 4 + i) == second[i]);
  CHECK(philox_word(key, 4ULL << 32) == philox4x32(key, {0, 1, 0, 0})[0]);
}

TEST_CASE("uniform numbers lie in [0, 1) and fill it") {
  CHECK(philox_uniform(0) == 0.0f);
  CHECK(philox_uniform(0xffffffff) < 1.0f);
  CHECK(philox_uniform(0x80000000) == 0.5f);
}
