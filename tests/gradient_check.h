// Gradients against central differences through the double interpreter.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "ir/interpret.h"

namespace ag {

// A smooth, sign-changing filling that differs between seeds.
inline ReferenceTensor sample_tensor(const TensorType& type, int seed) {
  ReferenceTensor tensor(type.dtype, type.shape);
  for (int64_t i = 0; i < tensor.count(); ++i)
    tensor.set(i, std::sin(0.7 * static_cast<double>(i) + 1.3 * seed + 0.1) * 1.7);
  return tensor;
}

// Largest |a - b| over the larger of the tensors' largest element and `floor`.
inline double relative_difference(const ReferenceTensor& a, const ReferenceTensor& b,
                                  double floor = 1e-3) {
  REQUIRE(a.shape == b.shape);
  double difference = 0, scale = floor;
  for (int64_t i = 0; i < a.count(); ++i) {
    difference = std::max(difference, std::fabs(a.number(i) - b.number(i)));
    scale = std::max({scale, std::fabs(a.number(i)), std::fabs(b.number(i))});
  }
  return difference / scale;
}

// d output / d leaf by central differences; `output` has one element.
inline ReferenceTensor central_difference(const Graph& graph, Bindings bindings,
                                          const std::string& output, const std::string& leaf,
                                          double step = 1e-5) {
  size_t place = 0;
  while (graph.outputs().at(place).name != output) ++place;
  ReferenceTensor gradient = bindings.at(leaf);
  ReferenceTensor& x = bindings.at(leaf);
  for (int64_t i = 0; i < x.count(); ++i) {
    double middle = x.floats[i];
    x.floats[i] = middle + step;
    double above = interpret(graph, bindings)[place].number(0);
    x.floats[i] = middle - step;
    double below = interpret(graph, bindings)[place].number(0);
    x.floats[i] = middle;
    gradient.floats[i] = (above - below) / (2 * step);
  }
  return gradient;
}

}  // namespace ag
