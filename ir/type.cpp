#include "ir/type.h"

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

}  // namespace ag
