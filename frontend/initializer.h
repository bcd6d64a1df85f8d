// How the first value of a parameter or state is made. The numbers are drawn in frontend/init.
#pragma once

#include <cmath>
#include <cstdint>

#include "ir/type.h"

namespace ag {

enum class InitialScheme {
  constant,         // `value` everywhere
  uniform,          // in [-value, value)
  normal,           // mean 0, standard deviation `value`
  kaiming_uniform,  // He et al., "Delving Deep into Rectifiers", 2015; value: the gain
  kaiming_normal,   // gain sqrt(2) for relu, 1 for linear
  xavier_uniform,   // Glorot and Bengio, 2010; value: the gain
  xavier_normal,
  random_key,  // u32[2]: the key of the random numbers of training, from the seed
};

// Fans are those of PyTorch: axis 0 of a weight is its outputs, axis 1 its inputs (per group), the
// rest its taps.
struct Initializer {
  InitialScheme scheme = InitialScheme::constant;
  double value = 0;
  bool fan_out = false;  // Kaiming: keep the variance of gradients instead of activations

  bool operator==(const Initializer&) const = default;
};

inline Initializer constant_value(double value) { return {InitialScheme::constant, value}; }
inline Initializer zeros() { return constant_value(0); }
inline Initializer ones() { return constant_value(1); }
inline Initializer uniform(double bound) { return {InitialScheme::uniform, bound}; }
inline Initializer normal(double deviation) { return {InitialScheme::normal, deviation}; }
inline Initializer kaiming_uniform(double gain = std::sqrt(2.0)) {
  return {InitialScheme::kaiming_uniform, gain};
}
inline Initializer kaiming_normal(double gain = std::sqrt(2.0)) {
  return {InitialScheme::kaiming_normal, gain};
}
inline Initializer kaiming_normal_fan_out(double gain = std::sqrt(2.0)) {
  return {InitialScheme::kaiming_normal, gain, true};
}
inline Initializer xavier_uniform(double gain = 1) { return {InitialScheme::xavier_uniform, gain}; }
inline Initializer xavier_normal(double gain = 1) { return {InitialScheme::xavier_normal, gain}; }
inline Initializer random_key() { return {InitialScheme::random_key}; }

// A parameter or state of a network, and how it begins.
struct Parameter {
  std::string name;
  TensorType type;
  Initializer initial;
  bool trained = true;  // false: state
};

}  // namespace ag
