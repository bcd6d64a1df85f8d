// What PyTorch recorded: the arrays of an archive below tests/reference/, by case.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "frontend/weights/weights.h"
#include "ir/interpret.h"

namespace ag {

class Recorded {
 public:
  explicit Recorded(const std::string& file)
      : arrays_(load_weights(std::string(ARGENT_SOURCE_DIR) + "/tests/reference/" + file)) {}

  const Array& array(const std::string& name) const {
    INFO("recorded array " << name);
    REQUIRE(arrays_.contains(name));
    return arrays_.at(name);
  }
  // Those whose names begin with `prefix`, which is taken off.
  WeightMap below(const std::string& prefix) const {
    WeightMap found;
    for (const auto& [name, array] : arrays_) {
      if (name.starts_with(prefix)) found.emplace(name.substr(prefix.size()), array);
    }
    return found;
  }

 private:
  WeightMap arrays_;
};

// Largest difference, over the larger of 1 and the largest recorded element.
inline double difference(const ReferenceTensor& found, const Array& wanted) {
  REQUIRE(found.shape == wanted.shape());
  double largest = 0, scale = 1;
  for (int64_t i = 0; i < wanted.count(); ++i) {
    double gap = std::fabs(found.number(i) - wanted.get_double(i));
    largest = std::isnan(gap) ? INFINITY : std::max(largest, gap);
    scale = std::max(scale, std::fabs(wanted.get_double(i)));
  }
  return largest / scale;
}

}  // namespace ag
