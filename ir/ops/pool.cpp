#include "ir/ops/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ir/infer.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kAverageAttributes[] = {
    required("window", AttributeKind::integers),
    optional_integers("stride", 1),
    optional_integers("padding", 0),
    optional_integers("dilation", 1),
    flag("ceil_mode"),
    flag("count_include_pad"),
};
constexpr AttributeSpec kAdaptiveAttributes[] = {required("size", AttributeKind::integers)};

// ---- shape rules ----

void check_float(const InferContext& c) {
  if (is_float(c.operand(0).dtype)) return;
  throw c.error(fmt::format("operand is {}, but averages want a float", to_string(c.operand(0))))
      .help("insert a cast");
}

PoolOptions options_of(const Attributes& attributes) {
  return {.window = attributes.integers("window"),
          .stride = attributes.integers("stride", attributes.integers("window").size(), 1),
          .padding = attributes.integers("padding"),
          .dilation = attributes.integers("dilation"),
          .ceil_mode = attributes.flag("ceil_mode")};
}

std::vector<TensorType> infer_average(const InferContext& c) {
  check_float(c);
  WindowSpec spec = window_spec(options_of(c.attributes), c.operand(0).shape);
  Attributes window = complete_attributes(c.op.name, ops::max_pool.attributes, spec.attributes());
  // The rule of max_pool also refuses windows that cover only padding.
  return {ops::max_pool.infer({c.op, c.operands, window})[0]};
}

std::vector<TensorType> infer_global(const InferContext& c) {
  check_float(c);
  Shape shape = c.operand(0).shape;
  if (shape.size() < 3) {
    throw c.error(fmt::format("operand {} has no spatial axes", to_string(c.operand(0))))
        .help("it wants [batch, channels, spatial…]");
  }
  if (c.operand(0).count() == 0) c.fail("operand {} is empty", to_string(c.operand(0)));
  std::fill(shape.begin() + 2, shape.end(), 1);
  return {c.operand(0).with_shape(shape)};
}

std::vector<TensorType> infer_adaptive(const InferContext& c) {
  check_float(c);
  const Integers& size = c.attributes.integers("size");
  Shape shape = c.operand(0).shape;
  if (size.empty() || size.size() > shape.size()) {
    throw c
        .error(fmt::format("size {} does not fit operand {}", to_string(size),
                           to_string(c.operand(0))))
        .help("give one extent per trailing axis to average over");
  }
  size_t first = shape.size() - size.size();
  for (size_t i = 0; i < size.size(); ++i) {
    if (size[i] < 1 || shape[first + i] < 1)
      throw c
          .error(fmt::format("cannot make {} bins of extent {} along axis {}", size[i],
                             shape[first + i], first + i))
          .help("give a size of at least 1 per axis");
    shape[first + i] = size[i];
  }
  return {c.operand(0).with_shape(shape)};
}

// ---- expansions ----

// What the windows of one axis are divided by.
std::vector<int64_t> window_counts(const WindowSpec& spec, int axis, int64_t extent,
                                   int64_t windows, int64_t high, bool include_padding) {
  int64_t from = include_padding ? -spec.low[axis] : 0;
  int64_t to = extent + (include_padding ? high : 0);
  std::vector<int64_t> counts(windows, 0);
  for (int64_t y = 0; y < windows; ++y) {
    for (int64_t k = 0; k < spec.window[axis]; ++k) {
      int64_t at = y * spec.stride[axis] + k * spec.dilation[axis] - spec.low[axis];
      counts[y] += at >= from && at < to;
    }
  }
  return counts;
}

std::vector<Tensor> expand_average(const ExpandContext& c) {
  Tensor x = c.operands[0];
  PoolOptions options = options_of(c.attributes);
  WindowSpec spec = window_spec(options, x.shape());
  Tensor sum = sum_pool(x, options);
  int rank = spec.sliding_rank(), first = x.rank() - rank;
  // Reciprocal counts: one number when all windows are alike, else a constant of the sliding axes.
  std::vector<double> scales{1};
  for (int axis = 0; axis < rank; ++axis) {
    int64_t added = spec.high[axis] - (options.padding.empty() ? 0 : options.padding[2 * axis + 1]);
    std::vector<int64_t> counts =
        window_counts(spec, axis, x.extent(first + axis), sum.extent(first + axis),
                      spec.high[axis] - added, c.attributes.flag("count_include_pad"));
    std::vector<double> product;
    for (double scale : scales) {
      for (int64_t count : counts) product.push_back(scale / static_cast<double>(count));
    }
    scales = std::move(product);
  }
  if (std::all_of(scales.begin(), scales.end(), [&](double s) { return s == scales[0]; }))
    return {sum * (scales.empty() ? 1.0 : scales[0])};
  Array array(x.dtype(), Shape(sum.shape().begin() + first, sum.shape().end()));
  for (size_t i = 0; i < scales.size(); ++i) array.set_double(static_cast<int64_t>(i), scales[i]);
  return {sum * constant(x.graph(), std::move(array))};
}

std::vector<Tensor> expand_global(const ExpandContext& c) {
  std::vector<int> axes(c.operands[0].rank() - 2);
  std::iota(axes.begin(), axes.end(), 2);
  return {reshape(reduce_mean(c.operands[0], axes), c.types[0].shape)};
}

// Averages one axis over `size` bins of unequal width.
Tensor average_bins(Tensor x, int axis, int64_t size) {
  int64_t extent = x.extent(axis);
  Shape row = x.shape();
  row[axis] = 1;
  std::vector<Tensor> bins;
  for (int64_t i = 0; i < size; ++i) {
    Integers start(row.size(), 0), limit = x.shape();
    start[axis] = i * extent / size;
    limit[axis] = ((i + 1) * extent + size - 1) / size;
    bins.push_back(reshape(reduce_mean(slice(x, start, limit), {axis}), row));
  }
  return bins.size() == 1 ? bins[0] : concat(bins, axis);
}

std::vector<Tensor> expand_adaptive(const ExpandContext& c) {
  Tensor x = c.operands[0];
  const Integers& size = c.attributes.integers("size");
  int first = x.rank() - static_cast<int>(size.size());
  Integers window;
  for (size_t i = 0; i < size.size(); ++i) {
    int64_t extent = x.extent(first + static_cast<int>(i));
    if (extent % size[i] == 0) window.push_back(extent / size[i]);
  }
  if (window.size() == size.size()) return {avg_pool(x, {.window = window})};
  for (size_t i = 0; i < size.size(); ++i)
    x = average_bins(x, first + static_cast<int>(i), size[i]);
  return {x};
}

constexpr bool keeps_zero(const Attributes&) { return true; }

}  // namespace

namespace ops {

constinit const OpDef avg_pool{.name = "avg_pool",
                               .kind = OpKind::composite,
                               .arity = {1, 1},
                               .attributes = kAverageAttributes,
                               .infer = infer_average,
                               .expand = expand_average,
                               .preserves_zero = keeps_zero};
constinit const OpDef global_avg_pool{.name = "global_avg_pool",
                                      .kind = OpKind::composite,
                                      .arity = {1, 1},
                                      .infer = infer_global,
                                      .expand = expand_global,
                                      .preserves_zero = keeps_zero};
constinit const OpDef adaptive_avg_pool{.name = "adaptive_avg_pool",
                                        .kind = OpKind::composite,
                                        .arity = {1, 1},
                                        .attributes = kAdaptiveAttributes,
                                        .infer = infer_adaptive,
                                        .expand = expand_adaptive,
                                        .preserves_zero = keeps_zero};

}  // namespace ops

Tensor avg_pool(Operand x, PoolOptions options, bool count_include_pad) {
  if (options.stride.empty()) options.stride = options.window;
  return apply(ops::avg_pool, {x.tensor},
               {{"window", std::move(options.window)},
                {"stride", std::move(options.stride)},
                {"padding", std::move(options.padding)},
                {"dilation", std::move(options.dilation)},
                {"ceil_mode", options.ceil_mode},
                {"count_include_pad", count_include_pad}},
               x.where);
}

Tensor global_avg_pool(Operand x) { return apply(ops::global_avg_pool, {x.tensor}, {}, x.where); }

Tensor adaptive_avg_pool(Operand x, Integers size) {
  return apply(ops::adaptive_avg_pool, {x.tensor}, {{"size", std::move(size)}}, x.where);
}

}  // namespace ag
