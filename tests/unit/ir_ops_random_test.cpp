// Random numbers: distributions, streams and keys.
#include <doctest/doctest.h>

#include <cmath>

#include "ir/interpret.h"
#include "ir/ops/leaf.h"
#include "ir/ops/random.h"

using namespace ag;

namespace {

constexpr int64_t kCount = 20000;

// The only output of a graph that `build` makes from a key.
template <class Build>
ReferenceTensor drawn(Build build, std::vector<int64_t> words = {7, 11}) {
  Graph graph;
  Tensor key = input(graph, "key", tensor_type(DType::u32, {2}));
  graph.add_output("y", build(key).value());
  ReferenceTensor value(DType::u32, {2});
  value.integers = std::move(words);
  return interpret(graph, {{"key", value}})[0];
}

struct Moments {
  double mean = 0, variance = 0, smallest = 1e300, largest = -1e300;
  explicit Moments(const ReferenceTensor& x) {
    for (double value : x.floats) {
      mean += value / static_cast<double>(x.count());
      smallest = std::min(smallest, value);
      largest = std::max(largest, value);
    }
    for (double value : x.floats)
      variance += (value - mean) * (value - mean) / static_cast<double>(x.count());
  }
};

}  // namespace

// Bounds are five standard errors wide.
TEST_CASE("uniform numbers fill [0, 1)") {
  Moments moments(drawn([](Tensor key) { return random_uniform(key, f32(kCount)); }));
  CHECK(moments.smallest >= 0);
  CHECK(moments.largest < 1);
  CHECK(moments.largest > 0.999);
  CHECK(std::fabs(moments.mean - 0.5) < 5 * std::sqrt(1.0 / 12 / kCount));
  CHECK(std::fabs(moments.variance - 1.0 / 12) < 5 * std::sqrt(1.0 / 180 / kCount));
}

TEST_CASE("normal numbers have mean 0 and variance 1") {
  Moments moments(drawn([](Tensor key) { return random_normal(key, f32(kCount)); }));
  CHECK(std::fabs(moments.mean) < 5 * std::sqrt(1.0 / kCount));
  CHECK(std::fabs(moments.variance - 1) < 5 * std::sqrt(2.0 / kCount));
  CHECK(moments.largest > 3);
  CHECK(moments.largest < 6);
}

TEST_CASE("dropout keeps its share and the mean") {
  ReferenceTensor y =
      drawn([](Tensor key) { return dropout(full(key.graph(), f32(kCount), 1), key, 0.3); });
  int64_t dropped = 0;
  for (double value : y.floats) {
    bool kept = std::fabs(value - 1 / 0.7) < 1e-12;
    CHECK((kept || value == 0));
    dropped += !kept;
  }
  double share = static_cast<double>(dropped) / kCount;
  CHECK(std::fabs(share - 0.3) < 5 * std::sqrt(0.3 * 0.7 / kCount));
}

TEST_CASE("streams and keys give unrelated numbers") {
  auto bits = [](int64_t stream) {
    return [stream](Tensor key) { return random_bits(key, {kCount}, stream); };
  };
  ReferenceTensor first = drawn(bits(0));
  CHECK(drawn(bits(0)).integers == first.integers);
  auto agreements = [&](const ReferenceTensor& other) {
    int same = 0;
    for (int64_t i = 0; i < kCount; ++i) same += first.integers[i] == other.integers[i];
    return same;
  };
  CHECK(agreements(drawn(bits(1))) < 3);
  CHECK(agreements(drawn(bits(0), {7, 12})) < 3);
  CHECK(agreements(drawn([](Tensor key) { return random_bits(next_key(key), {kCount}); })) < 3);
}

TEST_CASE("a longer tensor begins like a shorter one") {
  auto bits = [](int64_t count) {
    return drawn([count](Tensor key) { return random_bits(key, {count}); });
  };
  ReferenceTensor shorter = bits(7), longer = bits(11);
  CHECK(std::equal(shorter.integers.begin(), shorter.integers.end(), longer.integers.begin()));
}
