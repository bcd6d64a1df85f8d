#include <doctest/doctest.h>
#include <zlib.h>

#include <bit>
#include <cmath>

#include "frontend/init/draw.h"
#include "frontend/init/normal_quantile.h"
#include "ir/diagnostics.h"

using namespace ag;

namespace {

// Printed by scripts/philox_init.py, which computes them with NumPy.
struct Row {
  const char* name;
  Shape shape;
  InitialScheme scheme;
  double value;
  bool fan_out;
  uint64_t seed;
  uint32_t crc;  // of all bytes
  uint32_t first, last;
};
const Row kRows[] = {
    {"conv1.weight",
     {64, 3, 3, 3},
     InitialScheme::kaiming_normal,
     1.4142135623730951,
     false,
     0x1,
     0x15519143,
     0x3f1302b0,
     0x3f0d0401},
    {"conv1.weight",
     {64, 3, 3, 3},
     InitialScheme::kaiming_normal,
     1.4142135623730951,
     false,
     0x2,
     0xc0ea414b,
     0xbe83849e,
     0x3ef6bef9},
    {"layer1.0.conv2.weight",
     {32, 16, 3, 3},
     InitialScheme::kaiming_normal,
     1.4142135623730951,
     true,
     0x1,
     0x04d5f4f5,
     0x3ccd57b3,
     0xbdcc1695},
    {"fc.weight",
     {10, 300},
     InitialScheme::kaiming_uniform,
     0.5773502691896257,
     false,
     0x1,
     0x2e86c5f5,
     0x3d137451,
     0x3d21d5bf},
    {"fc.bias",
     {10},
     InitialScheme::uniform,
     0.05773502691896257,
     false,
     0x1,
     0x740feb91,
     0x3d47c3c6,
     0x3d5970d6},
    {"a",
     {333, 77},
     InitialScheme::xavier_uniform,
     1.0,
     false,
     0xdeadbeef12345678,
     0x01c7f5f7,
     0x3da38387,
     0xbdc78606},
    {"a",
     {333, 77},
     InitialScheme::xavier_normal,
     1.0,
     false,
     0x7,
     0x1b30c3dd,
     0x3d4e747c,
     0xbd93f049},
    {"tails", {100003}, InitialScheme::normal, 1.0, false, 0x7, 0x92801593, 0xbfe1ecef, 0xbfd4f861},
};

Array draw_row(const Row& row) {
  return draw({row.name, f32(row.shape), {row.scheme, row.value, row.fan_out}}, row.seed);
}

}  // namespace

TEST_CASE("initial values have the bits that NumPy draws") {
  for (const Row& row : kRows) {
    INFO(row.name << " seed " << row.seed);
    const Array array = draw_row(row);
    const auto bits = array.as<uint32_t>();
    CHECK(bits.front() == row.first);
    CHECK(bits.back() == row.last);
    CHECK(crc32(0, reinterpret_cast<const Bytef*>(array.data()),
                static_cast<uInt>(array.size_bytes())) == row.crc);
  }
}

TEST_CASE("tensors that several threads draw: each element takes its word") {
  const int64_t count = 3 * 65536 + 5;
  const Array array = draw({"w", f32(count), uniform(2)}, 1);
  const PhiloxKey key = name_key(1, "w");
  int64_t wrong = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double u = philox_uniform(philox_word(key, static_cast<uint64_t>(i)));
    wrong += array.as<float>()[static_cast<size_t>(i)] != static_cast<float>((2 * u - 1) * 2);
  }
  CHECK(wrong == 0);
}

TEST_CASE("the normal quantile is the inverse of the distribution function") {
  CHECK(normal_quantile(0.5) == 0.0);
  for (const double p : {1e-12, 1e-6, 0.01, 0.0749, 0.0751, 0.3, 0.77, 0.99, 1 - 1e-9}) {
    const double x = normal_quantile(p);
    CHECK(0.5 * std::erfc(-x / std::sqrt(2.0)) == doctest::Approx(p).epsilon(1e-13));
  }
}

TEST_CASE("deviations follow the fans") {
  const auto deviation = [](const Array& array) {
    double sum = 0, squares = 0;
    for (const float x : array.as<float>()) sum += x, squares += x * x;
    const auto n = static_cast<double>(array.count());
    CHECK(std::fabs(sum / n) < 4 * std::sqrt(squares / n / n));
    return std::sqrt(squares / n);
  };
  const Shape shape{64, 32, 3, 3};
  const auto drawn = [&](Initializer initial) {
    return deviation(draw({"w", f32(shape), initial}, 1));
  };
  CHECK(drawn(kaiming_normal()) == doctest::Approx(std::sqrt(2.0 / 288)).epsilon(0.02));
  CHECK(drawn(kaiming_uniform()) == doctest::Approx(std::sqrt(2.0 / 288)).epsilon(0.02));
  CHECK(drawn(kaiming_normal_fan_out()) == doctest::Approx(std::sqrt(2.0 / 576)).epsilon(0.02));
  CHECK(drawn(xavier_uniform()) == doctest::Approx(std::sqrt(2.0 / 864)).epsilon(0.02));
  CHECK(drawn(xavier_normal()) == doctest::Approx(std::sqrt(2.0 / 864)).epsilon(0.02));
  CHECK(drawn(normal(0.5)) == doctest::Approx(0.5).epsilon(0.02));
  CHECK(drawn(uniform(0.5)) == doctest::Approx(0.5 / std::sqrt(3.0)).epsilon(0.02));
}

TEST_CASE("constants, keys and other element types") {
  CHECK(draw({"b", f32(3), constant_value(0.25)}, 1) == Array::of<float>({3}, {.25f, .25f, .25f}));
  CHECK(draw({"n", {DType::i64, {}, {}}, ones()}, 1) == Array::of<int64_t>({}, {1}));
  const Parameter key{"key", {DType::u32, {2}, {}}, random_key(), false};
  CHECK(draw(key, 1) == draw(key, 1));
  CHECK(draw(key, 1) != draw(key, 2));
  const Array half = draw({"w", {DType::f16, {8, 8}, {}}, kaiming_normal()}, 1);
  const Array single = draw({"w", f32(8, 8), kaiming_normal()}, 1);
  CHECK(half.get_double(5) == round_to(DType::f16, single.get_double(5)));
}

TEST_CASE("schemes that do not fit say so") {
  CHECK_THROWS_WITH_AS(draw({"b", f32(3), kaiming_normal()}, 1),
                       doctest::Contains("at least two axes"), CompileError);
  CHECK_THROWS_WITH_AS(draw({"n", {DType::i32, {4}, {}}, uniform(1)}, 1),
                       doctest::Contains("need a float type, but its type is i32[4]"),
                       CompileError);
  CHECK_THROWS_WITH_AS(draw({"k", f32(2), random_key()}, 1),
                       doctest::Contains("a random key is u32[2]"), CompileError);
}
