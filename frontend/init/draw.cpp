#include "frontend/init/draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string_view>
#include <thread>
#include <vector>

#include "frontend/init/normal_quantile.h"
#include "ir/diagnostics.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

struct Fans {
  double in, out;
};

Fans fans_of(const Parameter& parameter) {
  const Shape& shape = parameter.type.shape;
  if (shape.size() < 2) {
    throw CompileError(fmt::format("parameter '{}': the initial scheme needs a weight of at least "
                                   "two axes (outputs, inputs, taps), but its type is {}",
                                   parameter.name, to_string(parameter.type)))
        .help("use constant_value, uniform or normal");
  }
  double taps = 1;
  for (size_t axis = 2; axis < shape.size(); ++axis) taps *= static_cast<double>(shape[axis]);
  return {static_cast<double>(shape[1]) * taps, static_cast<double>(shape[0]) * taps};
}

// The standard deviation that a scheme asks for.
double plain_deviation(const Parameter& parameter) { return parameter.initial.value; }

double kaiming_deviation(const Parameter& parameter) {
  const Fans fans = fans_of(parameter);
  return parameter.initial.value / std::sqrt(parameter.initial.fan_out ? fans.out : fans.in);
}

double xavier_deviation(const Parameter& parameter) {
  const Fans fans = fans_of(parameter);
  return parameter.initial.value * std::sqrt(2.0 / (fans.in + fans.out));
}

double uniform_number(uint32_t word, double bound) {
  return (2.0 * static_cast<double>(philox_uniform(word)) - 1.0) * bound;
}

double normal_number(uint32_t word, double deviation) {
  return normal_quantile((static_cast<double>(word) + 0.5) * 0x1p-32) * deviation;
}

struct Scheme {
  InitialScheme scheme;
  double (*spread)(const Parameter&);
  double factor;  // from the spread to the second argument of `number`
  double (*number)(uint32_t word, double spread);
};
const double kUniformBound = std::sqrt(3.0);  // of a uniform distribution with deviation 1
const Scheme kSchemes[] = {
    {InitialScheme::uniform, plain_deviation, 1.0, uniform_number},
    {InitialScheme::normal, plain_deviation, 1.0, normal_number},
    {InitialScheme::kaiming_uniform, kaiming_deviation, kUniformBound, uniform_number},
    {InitialScheme::kaiming_normal, kaiming_deviation, 1.0, normal_number},
    {InitialScheme::xavier_uniform, xavier_deviation, kUniformBound, uniform_number},
    {InitialScheme::xavier_normal, xavier_deviation, 1.0, normal_number},
};

Array draw_constant(const Parameter& parameter) {
  Array array(parameter.type.dtype, parameter.type.shape);
  const double value = parameter.initial.value;
  for (int64_t i = 0; i < array.count(); ++i) {
    is_float(array.dtype()) ? array.set_double(i, value)
                            : array.set_int(i, static_cast<int64_t>(value));
  }
  return array;
}

Array draw_key(const Parameter& parameter, PhiloxKey key) {
  if (parameter.type.dtype != DType::u32 || parameter.type.shape != Shape{2}) {
    throw CompileError(fmt::format("state '{}': a random key is u32[2], but its type is {}",
                                   parameter.name, to_string(parameter.type)));
  }
  return Array::of<uint32_t>({2}, std::vector<uint32_t>{key[0], key[1]});
}

constexpr int64_t kBlockWords = 4;  // of Philox
constexpr int64_t kPartWords = 1 << 16;

// Calls work(begin, end) for parts of [0, count) that begin with a block, on all processors.
template <class Work>
void for_parts(int64_t count, Work work) {
  const int64_t parts = (count + kPartWords - 1) / kPartWords;
  std::atomic<int64_t> next = 0;
  const auto take_parts = [&] {
    for (int64_t part = next++; part < parts; part = next++)
      work(part * kPartWords, std::min(count, (part + 1) * kPartWords));
  };
  const int64_t threads = std::min<int64_t>(parts, std::thread::hardware_concurrency());
  std::vector<std::jthread> others;
  for (int64_t i = 1; i < threads; ++i) others.emplace_back(take_parts);
  take_parts();
}

Array draw_random(const Parameter& parameter, const Scheme& scheme, PhiloxKey key) {
  if (!is_float(parameter.type.dtype)) {
    throw CompileError(
        fmt::format("parameter '{}': random initial values need a float type, but its "
                    "type is {}",
                    parameter.name, to_string(parameter.type)));
  }
  const double spread = scheme.spread(parameter) * scheme.factor;
  Array array(parameter.type.dtype, parameter.type.shape);
  for_parts(array.count(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kBlockWords) {
      const auto block = static_cast<uint64_t>(i / kBlockWords);
      const PhiloxBlock words =
          philox4x32(key, {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32)});
      for (int64_t k = i; k < std::min(end, i + kBlockWords); ++k)
        array.set_double(k, scheme.number(words[static_cast<size_t>(k - i)], spread));
    }
  });
  return array;
}

}  // namespace

PhiloxKey name_key(uint64_t seed, const std::string& name) {
  const uint64_t hash = fnv1a(name);
  const PhiloxBlock block = philox4x32(
      philox_key(seed), {static_cast<uint32_t>(hash), static_cast<uint32_t>(hash >> 32), 0, 0});
  return {block[0], block[1]};
}

Array draw(const Parameter& parameter, uint64_t seed) {
  const InitialScheme scheme = parameter.initial.scheme;
  const PhiloxKey key = name_key(seed, parameter.name);
  if (scheme == InitialScheme::constant) return draw_constant(parameter);
  if (scheme == InitialScheme::random_key) return draw_key(parameter, key);
  for (const Scheme& row : kSchemes) {
    if (row.scheme == scheme) return draw_random(parameter, row, key);
  }
  internal_error("initial scheme {} has no row", static_cast<int>(scheme));
}

}  // namespace ag
