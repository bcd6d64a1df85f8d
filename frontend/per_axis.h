// Arguments of layers that hold one number for all spatial axes, or one for each.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "ir/attributes.h"

namespace ag {

// `.kernel = 3` or `.kernel = {3, 5}`.
class PerAxis {
 public:
  PerAxis() = default;
  PerAxis(int value) : values_{value}, one_for_all_(true) {}
  PerAxis(int64_t value) : values_{value}, one_for_all_(true) {}
  PerAxis(std::initializer_list<int64_t> values) : values_(values) {}
  PerAxis(Integers values) : values_(std::move(values)) {}

  bool given() const { return !values_.empty(); }
  // One entry per axis, `fallback` where nothing was given. Throws CompileError, naming the
  // argument `name` ("conv conv1: kernel"), when the list has another length or an entry is below
  // `least`.
  Integers expanded(std::string_view name, int axes, int64_t fallback, int64_t least) const;

 private:
  Integers values_;
  bool one_for_all_ = false;
};

// `.padding = 1`, `.padding = {1, 0}` (both sides of each axis), "same" (the output has
// ceil(extent / stride) rows; an odd one goes to the high end), "causal" (one axis: all at the low
// end), or padding_between(low, high).
class Padding {
 public:
  Padding() = default;
  Padding(int value) : both_(value) {}
  Padding(int64_t value) : both_(value) {}
  Padding(std::initializer_list<int64_t> values) : both_(values) {}
  Padding(const char* rule) : rule_(rule) {}

  // Low and high of each axis in turn, for windows of the given sizes. `name` as above.
  Integers expanded(std::string_view name, const Shape& extents, const Integers& kernel,
                    const Integers& stride, const Integers& dilation) const;

 private:
  friend Padding padding_between(Integers low, Integers high);

  PerAxis both_;
  Integers low_, high_;
  std::string rule_;
};

Padding padding_between(Integers low, Integers high);

}  // namespace ag
