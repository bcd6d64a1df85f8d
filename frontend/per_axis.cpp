#include "frontend/per_axis.h"

#include <fmt/format.h>

#include <algorithm>

namespace ag {
namespace {

int64_t effective(int64_t kernel, int64_t dilation) { return (kernel - 1) * dilation + 1; }

// Rows to add so that ceil(extent / stride) windows fit.
int64_t same_total(int64_t extent, int64_t window, int64_t stride) {
  int64_t outputs = (extent + stride - 1) / stride;
  return std::max<int64_t>(0, (outputs - 1) * stride + window - extent);
}

}  // namespace

Integers PerAxis::expanded(std::string_view name, int axes, int64_t fallback, int64_t least) const {
  Integers all = values_;
  if (!given() || one_for_all_) all.assign(axes, given() ? values_[0] : fallback);
  if (static_cast<int>(all.size()) != axes) {
    throw CompileError(
        fmt::format("{} has {} entries, but x has {} spatial axes", name, all.size(), axes))
        .help("give one number for all axes, or one for each");
  }
  for (int64_t value : all) {
    if (value < least)
      throw CompileError(fmt::format("{} is {}, at least {} is needed", name, value, least));
  }
  return all;
}

Integers Padding::expanded(std::string_view name, const Shape& extents, const Integers& kernel,
                           const Integers& stride, const Integers& dilation) const {
  const int axes = static_cast<int>(extents.size());
  Integers low, high;
  if (rule_ == "same") {
    for (int i = 0; i < axes; ++i) {
      int64_t total = same_total(extents[i], effective(kernel[i], dilation[i]), stride[i]);
      low.push_back(total / 2);
      high.push_back(total - total / 2);
    }
  } else if (rule_ == "causal") {
    if (axes != 1) {
      throw CompileError(fmt::format("{} \"causal\" is for one spatial axis, x has {}", name, axes))
          .help("use padding_between(low, high)");
    }
    low = {effective(kernel[0], dilation[0]) - 1};
    high = {0};
  } else if (!rule_.empty()) {
    throw CompileError(fmt::format("{} is \"{}\"", name, rule_))
        .help("give a number, a list, \"same\" or \"causal\"");
  } else if (!low_.empty() || !high_.empty()) {
    low = PerAxis(low_).expanded(name, axes, 0, INT64_MIN);
    high = PerAxis(high_).expanded(name, axes, 0, INT64_MIN);
  } else {
    low = high = both_.expanded(name, axes, 0, 0);
  }
  Integers pairs;
  for (int i = 0; i < axes; ++i) pairs.insert(pairs.end(), {low[i], high[i]});
  return pairs;
}

Padding padding_between(Integers low, Integers high) {
  Padding padding;
  padding.low_ = std::move(low);
  padding.high_ = std::move(high);
  return padding;
}

}  // namespace ag
