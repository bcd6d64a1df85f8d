#include "ir/ops/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "ir/gradient.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kWindow = required("window", AttributeKind::integers);
constexpr AttributeSpec kStride = optional_integers("stride", 1);
constexpr AttributeSpec kPadding = optional_integers("padding", 0);
constexpr AttributeSpec kDilation = optional_integers("dilation", 1);
constexpr AttributeSpec kPoolAttributes[] = {kWindow, kStride, kPadding, kDilation};
constexpr AttributeSpec kScatterAttributes[] = {kWindow, kStride, kPadding, kDilation,
                                                required("type", AttributeKind::type)};

// ---- shape rules ----

void check_entries(const InferContext& c, std::string_view name, size_t wanted, int64_t smallest) {
  const Integers& list = c.attributes.integers(name);
  if (!list.empty() && list.size() != wanted) {
    throw c
        .error(fmt::format("{} {} has {} entries, but window {} wants {}", name, to_string(list),
                           list.size(), to_string(c.attributes.integers("window")), wanted))
        .help(name == "padding" ? "give low and high of every axis: [low0,high0,low1,high1]"
                                : "give one entry per axis of the window");
  }
  for (int64_t entry : list) {
    if (entry < smallest) c.fail("{} {} must be at least {}", name, entry, smallest);
  }
}

// Every window must meet an element, or its maximum would be padding. Windows that start inside do.
void check_meets_elements(const InferContext& c, const WindowSpec& spec, int axis,
                          int64_t windows) {
  int place = c.operand(0).rank() - spec.sliding_rank() + axis;  // among the operand's axes
  int64_t extent = c.operand(0).shape[place];
  int64_t stride = spec.stride[axis], dilation = spec.dilation[axis], low = spec.low[axis];
  auto meets = [&](int64_t y) {
    int64_t start = y * stride - low;
    int64_t tap = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
    return tap < spec.window[axis] && start + tap * dilation < extent;
  };
  // Windows that begin before the extent miss it when they are too far out, or when their taps fall
  // beside an extent narrower than the dilation; that repeats after at most `dilation` windows.
  int64_t before = std::min(windows, (low + stride - 1) / stride);
  int64_t checked = std::min(before, dilation <= extent ? 1 : dilation);
  for (int64_t y = 0; y < checked; ++y) {
    if (meets(y)) continue;
    throw c
        .error(fmt::format("window {} of axis {} covers only padding: padding is {} and {}, the "
                           "window {} with dilation {}, the extent {}",
                           y, place, low, spec.high[axis], spec.window[axis], dilation, extent))
        .help("pad by less than the window");
  }
  if (!meets(windows - 1)) {
    throw c
        .error(fmt::format("the last window of axis {} covers only padding: high padding is {}, "
                           "the window {} with stride {}, the extent {}",
                           place, spec.high[axis], spec.window[axis], stride, extent))
        .help("pad by less than the window");
  }
}

// The shape of windows over `from`.
Shape pooled_shape(const InferContext& c, const TensorType& from) {
  const Integers& window = c.attributes.integers("window");
  int rank = static_cast<int>(window.size()), first = from.rank() - rank;
  check_entries(c, "window", window.size(), 1);
  if (rank == 0 || first < 0) {
    throw c
        .error(fmt::format("window {} does not fit operand {}", to_string(window), to_string(from)))
        .help(fmt::format("a window slides over one to {} trailing axes", from.rank()));
  }
  check_entries(c, "stride", window.size(), 1);
  check_entries(c, "dilation", window.size(), 1);
  check_entries(c, "padding", 2 * window.size(), 0);
  WindowSpec spec = WindowSpec::of(c.attributes);
  Shape shape = from.shape;
  for (int axis = 0; axis < rank; ++axis) {
    int64_t room = from.shape[first + axis] + spec.low[axis] + spec.high[axis];
    if (room < spec.reach(axis)) {
      throw c
          .error(fmt::format("axis {} would have a negative extent: the window covers {} elements, "
                             "but operand {} with padding {} and {} has {}",
                             first + axis, spec.reach(axis), to_string(from), spec.low[axis],
                             spec.high[axis], room))
          .help("use a smaller window, or more padding");
    }
    shape[first + axis] = (room - spec.reach(axis)) / spec.stride[axis] + 1;
  }
  return shape;
}

std::vector<TensorType> infer_sum_pool(const InferContext& c) {
  if (c.operand(0).dtype == DType::boolean)
    throw c.error("operand is bool").help("cast it to a number first");
  return {c.operand(0).with_shape(pooled_shape(c, c.operand(0)))};
}

std::vector<TensorType> infer_max_pool(const InferContext& c) {
  const TensorType& from = c.operand(0);
  TensorType values = infer_sum_pool(c)[0];
  WindowSpec spec = WindowSpec::of(c.attributes);
  int first = from.rank() - spec.sliding_rank();
  for (int axis = 0; axis < spec.sliding_rank(); ++axis)
    check_meets_elements(c, spec, axis, values.shape[first + axis]);
  return {values, values.with_dtype(DType::i32)};
}

void check_taps(const InferContext& c, const Shape& pooled) {
  if (c.operand(1).with_layout({}) == tensor_type(DType::i32, pooled)) return;
  throw c
      .error(fmt::format("taps are {}, but the windows make {}", to_string(c.operand(1)),
                         to_string(tensor_type(DType::i32, pooled))))
      .help("pass the second result of the max_pool with the same window");
}

std::vector<TensorType> infer_gather(const InferContext& c) {
  TensorType type = infer_sum_pool(c)[0];
  check_taps(c, type.shape);
  return {type};
}

std::vector<TensorType> infer_scatter(const InferContext& c) {
  const TensorType& to = c.attributes.type("type");
  if (to.dtype == DType::boolean)
    throw c.error("result is bool").help("cast it to a number first");
  TensorType pooled = to.with_shape(pooled_shape(c, to));
  if (c.operand(0).with_layout({}) != pooled) {
    c.fail("operand is {}, but windows over {} make {}", to_string(c.operand(0)), to_string(to),
           to_string(pooled));
  }
  check_taps(c, pooled.shape);
  return {to};
}

// ---- reference semantics ----

// Walks windows over `dense` (the unpooled shape) whose results have shape `pooled`.
class Walker {
 public:
  Walker(const Attributes& attributes, const Shape& dense, const Shape& pooled)
      : spec_(WindowSpec::of(attributes)),
        dense_(dense),
        pooled_(pooled),
        strides_(row_major_strides(dense)),
        first_(dense.size() - spec_.window.size()) {}

  // body(i, index) for every window i.
  template <class Body>
  void each_window(Body&& body) const {
    int64_t i = 0;
    for_each_index(pooled_, [&](const Integers& index) { body(i++, index); });
  }

  // body(tap number, element) for the taps of a window that stand on an element.
  template <class Body>
  void each_tap(const Integers& index, Body&& body) const {
    int64_t tap = 0;
    for_each_index(spec_.window, [&](const Integers& k) {
      if (auto element = element_at(index, k)) body(tap, *element);
      ++tap;
    });
  }

  // The element that a tap of a window stands on; none on padding or outside the window.
  std::optional<int64_t> element_of(const Integers& index, int64_t tap) const {
    if (tap < 0 || tap >= spec_.taps()) return std::nullopt;
    Integers k(spec_.window.size());
    for (size_t axis = k.size(); axis-- > 0; tap /= spec_.window[axis])
      k[axis] = tap % spec_.window[axis];
    return element_at(index, k);
  }

 private:
  std::optional<int64_t> element_at(const Integers& index, const Integers& k) const {
    int64_t element = 0;
    for (size_t axis = 0; axis < dense_.size(); ++axis) {
      int64_t at = index[axis];
      if (axis >= first_) {
        size_t s = axis - first_;
        at = at * spec_.stride[s] + k[s] * spec_.dilation[s] - spec_.low[s];
        if (at < 0 || at >= dense_[axis]) return std::nullopt;
      }
      element += at * strides_[axis];
    }
    return element;
  }

  WindowSpec spec_;
  const Shape &dense_, &pooled_;
  Shape strides_;
  size_t first_;
};

bool exceeds(const ReferenceTensor& x, int64_t i, int64_t j) {
  if (x.is_floating()) return x.floats[i] > x.floats[j];
  if (is_unsigned_integer(x.dtype))
    return static_cast<uint64_t>(x.integers[i]) > static_cast<uint64_t>(x.integers[j]);
  return x.integers[i] > x.integers[j];
}

void eval_max_pool(const EvalContext& c) {
  const ReferenceTensor& x = c.operand(0);
  Walker walker(c.attributes, x.shape, c.result().shape);
  walker.each_window([&](int64_t i, const Integers& index) {
    int64_t best = -1;
    walker.each_tap(index, [&](int64_t tap, int64_t element) {
      if (best >= 0 && !exceeds(x, element, best)) return;
      best = element;
      c.result(1).integers[i] = tap;
    });
    c.result().copy(i, x, best);
  });
}

// y[i] += x[j]
void accumulate(ReferenceTensor& y, int64_t i, const ReferenceTensor& x, int64_t j) {
  if (y.is_floating())
    y.floats[i] += x.floats[j];
  else
    y.integers[i] += x.integers[j];
}

void eval_sum_pool(const EvalContext& c) {
  Walker walker(c.attributes, c.operand(0).shape, c.result().shape);
  walker.each_window([&](int64_t i, const Integers& index) {
    walker.each_tap(
        index, [&](int64_t, int64_t element) { accumulate(c.result(), i, c.operand(0), element); });
  });
}

void eval_scatter(const EvalContext& c) {
  Walker walker(c.attributes, c.result().shape, c.operand(0).shape);
  walker.each_window([&](int64_t i, const Integers& index) {
    if (auto element = walker.element_of(index, c.operand(1).integers[i]))
      accumulate(c.result(), *element, c.operand(0), i);
  });
}

void eval_gather(const EvalContext& c) {
  Walker walker(c.attributes, c.operand(0).shape, c.result().shape);
  walker.each_window([&](int64_t i, const Integers& index) {
    if (auto element = walker.element_of(index, c.operand(1).integers[i]))
      c.result().copy(i, c.operand(0), *element);
  });
}

// ---- gradients ----

bool tiles_without_overlap(const WindowSpec& spec) {
  auto all = [](const Integers& list, int64_t value) {
    return std::all_of(list.begin(), list.end(), [&](int64_t entry) { return entry == value; });
  };
  return spec.window == spec.stride && all(spec.low, 0) && all(spec.high, 0) &&
         all(spec.dilation, 1);
}

// Each element of dy repeated over its window, zeros behind the last window.
Tensor repeated(Tensor dy, const WindowSpec& spec, const Shape& to) {
  size_t first = to.size() - spec.window.size();
  Shape split, joined(to.begin(), to.begin() + first), high(to.size(), 0);
  Integers axes;
  for (size_t axis = 0; axis < to.size(); ++axis) {
    axes.push_back(static_cast<int64_t>(split.size()));
    split.push_back(dy.shape()[axis]);
    if (axis < first) continue;
    split.push_back(spec.window[axis - first]);
    joined.push_back(dy.shape()[axis] * spec.window[axis - first]);
    high[axis] = to[axis] - joined.back();
  }
  Tensor spread = reshape(broadcast(dy, split, axes), joined);
  return joined == to ? spread : pad(spread, Integers(to.size(), 0), high);
}

// The windows that cover an element are a window over dy with stride − 1 zeros between neighbours.
Tensor overlapped(Tensor dy, const WindowSpec& spec, const Shape& to) {
  size_t first = to.size() - spec.window.size();
  Integers low(to.size(), 0), high(to.size(), 0), interior(to.size(), 0);
  for (size_t axis = first; axis < to.size(); ++axis) {
    size_t s = axis - first;
    int64_t reach = (spec.window[s] - 1) * spec.dilation[s];
    low[axis] = reach - spec.low[s];
    interior[axis] = spec.stride[s] - 1;
    int64_t spread = (dy.shape()[axis] - 1) * spec.stride[s] + 1;
    high[axis] = to[axis] + reach - low[axis] - spread;
  }
  return sum_pool(pad(dy, low, high, interior), {.window = spec.window,
                                                 .stride = Integers(spec.window.size(), 1),
                                                 .dilation = spec.dilation});
}

void grad_sum_pool(GradContext& g) {
  WindowSpec spec = WindowSpec::of(g.node);
  const Shape& to = g.x().shape();
  g.dx(0, tiles_without_overlap(spec) ? repeated(g.dy(), spec, to) : overlapped(g.dy(), spec, to));
}

int64_t flops_per_tap(const Node& node, std::span<const TensorType>) {
  return node.types[0].count() * WindowSpec::of(node).taps();
}

constexpr bool keeps_zero(const Attributes&) { return true; }

}  // namespace

namespace ops {

constinit const OpDef max_pool{
    .name = "max_pool",
    .arity = {1, 1},
    .attributes = kPoolAttributes,
    .infer = infer_max_pool,
    .eval = eval_max_pool,
    .grad =
        [](GradContext& g) {
          g.dx(0, ag::window_scatter(g.dy(), g.y(1), g.x().type(), WindowSpec::of(g.node)));
        },
    .flops = flops_per_tap,
    .preserves_zero = keeps_zero};
constinit const OpDef sum_pool{.name = "sum_pool",
                               .arity = {1, 1},
                               .attributes = kPoolAttributes,
                               .infer = infer_sum_pool,
                               .eval = eval_sum_pool,
                               .grad = grad_sum_pool,
                               .flops = flops_per_tap,
                               .preserves_zero = keeps_zero};
constinit const OpDef window_scatter{
    .name = "window_scatter",
    .arity = {2, 2},
    .attributes = kScatterAttributes,
    .infer = infer_scatter,
    .eval = eval_scatter,
    .grad =
        [](GradContext& g) { g.dx(0, ag::window_gather(g.dy(), g.x(1), WindowSpec::of(g.node))); },
    .flops = [](const Node&, std::span<const TensorType> operands) { return operands[0].count(); },
    .preserves_zero = keeps_zero};
constinit const OpDef window_gather{
    .name = "window_gather",
    .arity = {2, 2},
    .attributes = kPoolAttributes,
    .infer = infer_gather,
    .eval = eval_gather,
    .grad =
        [](GradContext& g) {
          g.dx(0, ag::window_scatter(g.dy(), g.x(1), g.x().type(), WindowSpec::of(g.node)));
        },
    .preserves_zero = keeps_zero};

}  // namespace ops

// ---- builders ----

namespace {

Attributes window_attributes(const Operand& x, const PoolOptions& options) {
  try {
    return window_spec(options, x.tensor.shape()).attributes();
  } catch (CompileError& error) {
    throw error.at(x.tensor.graph().locate(x.where));
  }
}

}  // namespace

std::pair<Tensor, Tensor> max_pool_with_taps(Operand x, PoolOptions options) {
  Tensor operands[] = {x.tensor};
  std::vector<Tensor> results =
      apply_all(ops::max_pool, operands, window_attributes(x, options), x.where);
  return {results[0], results[1]};
}

Tensor max_pool(Operand x, PoolOptions options) {
  return max_pool_with_taps(x, std::move(options)).first;
}

Tensor sum_pool(Operand x, PoolOptions options) {
  return apply(ops::sum_pool, {x.tensor}, window_attributes(x, options), x.where);
}

Tensor window_scatter(Operand dy, Operand taps, TensorType type, const WindowSpec& spec) {
  Attributes attributes = spec.attributes();
  attributes.set("type", std::move(type));
  return apply(ops::window_scatter, {dy.tensor, taps.tensor}, std::move(attributes), dy.where);
}

Tensor window_gather(Operand x, Operand taps, const WindowSpec& spec) {
  return apply(ops::window_gather, {x.tensor, taps.tensor}, spec.attributes(), x.where);
}

}  // namespace ag
