#include "ir/type.h"

#include <fmt/format.h>

#include <limits>

namespace ag {

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) text += ',';
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::string to_string(const TensorType& type) {
  std::string text(name_of(type.dtype));
  text += to_string(type.shape);
  if (!type.layout.is_row_major()) text += "{" + type.layout.tag(type.rank()) + "}";
  return text;
}

std::string size_problem(const TensorType& type) {
  constexpr int64_t kLargestExtent = std::numeric_limits<int32_t>::max();
  constexpr int64_t kMostElements = int64_t{1} << 40;
  int64_t count = 1;
  for (size_t axis = 0; axis < type.shape.size(); ++axis) {
    int64_t extent = type.shape[axis];
    if (extent < 0) return fmt::format("extent {} of axis {} is negative", extent, axis);
    if (extent > kLargestExtent)
      return fmt::format("extent {} of axis {} is above {}", extent, axis, kLargestExtent);
    if (extent != 0 && count > kMostElements / extent)
      return fmt::format("{} has more than {} elements", to_string(type), kMostElements);
    count *= extent;
  }
  return {};
}

}  // namespace ag
