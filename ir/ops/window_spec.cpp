#include <fmt/format.h>

#include "ir/ops/window.h"

namespace ag {

WindowSpec WindowSpec::of(const Attributes& attributes) {
  WindowSpec spec;
  spec.window = attributes.integers("window");
  size_t rank = spec.window.size();
  spec.stride = attributes.integers("stride", rank, 1);
  spec.dilation = attributes.integers("dilation", rank, 1);
  Integers padding = attributes.integers("padding", 2 * rank, 0);
  for (size_t axis = 0; axis < rank; ++axis) {
    spec.low.push_back(padding[2 * axis]);
    spec.high.push_back(padding[2 * axis + 1]);
  }
  return spec;
}

Attributes WindowSpec::attributes() const {
  Integers padding;
  for (size_t axis = 0; axis < low.size(); ++axis) {
    padding.push_back(low[axis]);
    padding.push_back(high[axis]);
  }
  return {{"window", window}, {"stride", stride}, {"padding", padding}, {"dilation", dilation}};
}

WindowSpec window_spec(const PoolOptions& options, const Shape& shape) {
  size_t rank = options.window.size();
  WindowSpec spec;
  spec.window = options.window;
  auto list = [&](const Integers& given, std::string_view name, size_t length, int64_t fill) {
    if (!given.empty() && given.size() != length) {
      throw CompileError(fmt::format("pooling: {} {} has {} entries, but window {} wants {}", name,
                                     to_string(given), given.size(), to_string(spec.window),
                                     length))
          .help(name == "padding" ? "give low and high of every axis: [low0,high0,low1,high1]"
                                  : "give one entry per axis of the window");
    }
    return given.empty() ? Integers(length, fill) : given;
  };
  spec.stride = options.stride.empty() ? options.window : list(options.stride, "stride", rank, 1);
  spec.dilation = list(options.dilation, "dilation", rank, 1);
  Integers padding = list(options.padding, "padding", 2 * rank, 0);
  for (size_t axis = 0; axis < rank; ++axis) {
    spec.low.push_back(padding[2 * axis]);
    spec.high.push_back(padding[2 * axis + 1]);
    if (!options.ceil_mode || rank > shape.size()) continue;
    int64_t extent = shape[shape.size() - rank + axis], stride = spec.stride[axis];
    int64_t room = extent + spec.low[axis] + spec.high[axis] - spec.reach(static_cast<int>(axis));
    if (stride < 1 || room < 0 || room % stride == 0) continue;
    int64_t start = (room / stride + 1) * stride;  // of one window more
    if (start < extent + spec.low[axis]) spec.high[axis] += start - room;
  }
  return spec;
}

}  // namespace ag
