// Pooling and its gradients, written out over the taps of a window.

#include "ir/ops/window.h"

#include <limits>

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;

// Windows over the trailing axes of a tensor.
struct Windows {
  WindowSpec spec;
  int first;  // the first sliding axis

  Windows(const Node& node, int rank)
      : spec(WindowSpec::of(node)), first(rank - spec.sliding_rank()) {}

  // Tap offsets of every tap, in row-major order.
  std::vector<Integers> taps() const {
    std::vector<Integers> all;
    for_each_index(spec.window, [&](const Integers& tap) { all.push_back(tap); });
    return all;
  }
  // Position of a tap of the window at `at`, which may lie on padding.
  Coordinates element(const Coordinates& at, const Integers& tap) const {
    Coordinates position = at;
    for (int s = 0; s < spec.sliding_rank(); ++s) {
      int offset = static_cast<int>(tap[s] * spec.dilation[s] - spec.low[s]);
      position[first + s] = at[first + s] * static_cast<int>(spec.stride[s]) + offset;
    }
    return position;
  }
};

Expr all_of(const std::vector<Expr>& conditions) {
  Expr all = Halide::Internal::const_true();
  for (const Expr& condition : conditions) all = all && condition;
  return all;
}

// Whether windows may stick out of sliding axis s of an operand of this shape.
bool sticks_out(const Windows& windows, const Shape& shape, const Shape& out, int s) {
  const WindowSpec& spec = windows.spec;
  int axis = windows.first + s;
  int64_t last =
      (out[axis] - 1) * spec.stride[s] + (spec.window[s] - 1) * spec.dilation[s] - spec.low[s];
  return spec.low[s] > 0 || last >= shape[axis];
}

struct Guarded {
  Coordinates inside;  // the position, clamped into the operand
  Expr exists;
};

Guarded guard(const Windows& windows, const Shape& shape, const Shape& out, Coordinates position) {
  std::vector<Expr> conditions;
  for (int s = 0; s < windows.spec.sliding_rank(); ++s) {
    if (!sticks_out(windows, shape, out, s)) continue;
    Expr& at = position[windows.first + s];
    int last = static_cast<int>(shape[windows.first + s]) - 1;
    conditions.push_back(at >= 0 && at <= last);
    at = Halide::clamp(at, 0, last);
  }
  return {std::move(position), all_of(conditions)};
}

Expr lowest(Halide::Type type) {
  if (type == Halide::Float(32)) return std::numeric_limits<float>::lowest();
  if (type == Halide::Float(64)) return Expr(std::numeric_limits<double>::lowest());
  return type.min();
}

struct Best {
  Expr value, tap;
};

// The first tap that is largest. With padding the start is the lowest value, which nothing real
// loses to unless it is that value itself.
Best best_tap(const LowerContext& c, const Windows& windows, const Coordinates& at) {
  const Shape &shape = c.operand_type(0).shape, &out = c.result_type().shape;
  Best best;
  int number = 0;
  for (const Integers& tap : windows.taps()) {
    Guarded element = guard(windows, shape, out, windows.element(at, tap));
    Expr x = c.operand(0, element.inside);
    x = Halide::select(element.exists, x, lowest(x.type()));
    if (!best.value.defined()) {
      best = {x, 0};
    } else {
      best.tap = Halide::select(x > best.value, number, best.tap);
      best.value = Halide::max(best.value, x);
    }
    ++number;
  }
  return best;
}

void lower_max_pool(LowerContext& c) {
  Windows windows(c.node(), c.operand_type(0).rank());
  define(c, 0, [&](const Coordinates& at) { return best_tap(c, windows, at).value; });
  define(c, 1, [&](const Coordinates& at) { return best_tap(c, windows, at).tap; });
}

void lower_sum_pool(LowerContext& c) {
  Windows windows(c.node(), c.operand_type(0).rank());
  const Shape &shape = c.operand_type(0).shape, &out = c.result_type().shape;
  define(c, 0, [&](const Coordinates& at) {
    Expr sum;
    for (const Integers& tap : windows.taps()) {
      Guarded element = guard(windows, shape, out, windows.element(at, tap));
      Expr x = c.operand(0, element.inside);
      x = Halide::select(element.exists, x, Halide::cast(x.type(), 0));
      sum = sum.defined() ? sum + x : x;
    }
    return sum;
  });
}

// One axis of the windows that cover an element: the window and the tap that stands on it.
struct Cover {
  Expr window, tap, exists;
};

// Without dilation an element at i is covered by windows (i + low) / stride − j, j = 0, 1, …, by
// tap i + low − window·stride. With dilation each tap is tried.
std::vector<Cover> covers_of(const Windows& windows, int s, int64_t count, const Expr& at) {
  const WindowSpec& spec = windows.spec;
  int stride = static_cast<int>(spec.stride[s]), size = static_cast<int>(spec.window[s]);
  int dilation = static_cast<int>(spec.dilation[s]), last = static_cast<int>(count) - 1;
  Expr padded = at + static_cast<int>(spec.low[s]);
  std::vector<Cover> covers;
  auto add = [&](const Expr& window, const Expr& tap, const Expr& exists) {
    covers.push_back(
        {Halide::clamp(window, 0, last), tap, exists && window >= 0 && window <= last});
  };
  if (dilation == 1) {
    for (int j = 0; j < (size + stride - 1) / stride; ++j) {
      Expr window = padded / stride - j;
      Expr tap = padded - window * stride;
      add(window, tap, tap < size);
    }
  } else {
    for (int tap = 0; tap < size; ++tap) {
      Expr start = padded - tap * dilation;
      add(start / stride, tap, start >= 0 && start % stride == 0);
    }
  }
  return covers;
}

// dx at an element: the dy of every window whose chosen tap stands on it.
Expr scattered(const LowerContext& c, const Windows& windows, const Coordinates& at) {
  const Shape& out = c.operand_type(0).shape;
  std::vector<Cover> combined{{Expr(), 0, Halide::Internal::const_true()}};
  std::vector<Coordinates> positions{at};
  for (int s = 0; s < windows.spec.sliding_rank(); ++s) {
    int axis = windows.first + s, size = static_cast<int>(windows.spec.window[s]);
    std::vector<Cover> next;
    std::vector<Coordinates> next_positions;
    for (size_t k = 0; k < combined.size(); ++k) {
      for (const Cover& cover : covers_of(windows, s, out[axis], at[axis])) {
        next.push_back(
            {Expr(), combined[k].tap * size + cover.tap, combined[k].exists && cover.exists});
        next_positions.push_back(positions[k]);
        next_positions.back()[axis] = cover.window;
      }
    }
    combined = std::move(next);
    positions = std::move(next_positions);
  }
  Expr sum;
  for (size_t k = 0; k < combined.size(); ++k) {
    Expr dy = c.operand(0, positions[k]);
    Expr chosen = combined[k].exists && c.operand(1, positions[k]) == combined[k].tap;
    Expr part = Halide::select(chosen, dy, Halide::cast(dy.type(), 0));
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

void lower_window_scatter(LowerContext& c) {
  Windows windows(c.node(), c.result_type().rank());
  define(c, 0, [&](const Coordinates& at) { return scattered(c, windows, at); });
}

void lower_window_gather(LowerContext& c) {
  Windows windows(c.node(), c.operand_type(0).rank());
  const WindowSpec& spec = windows.spec;
  const Shape &shape = c.operand_type(0).shape, &out = c.result_type().shape;
  define(c, 0, [&](const Coordinates& at) {
    Expr rest = Halide::clamp(c.operand(1, at), 0, static_cast<int>(spec.taps()) - 1);
    Coordinates position = at;
    std::vector<Expr> exists;
    for (int s = spec.sliding_rank(); s-- > 0;) {
      int axis = windows.first + s, size = static_cast<int>(spec.window[s]),
          last = static_cast<int>(shape[axis]) - 1;
      Expr tap = rest % size;
      rest = rest / size;
      Expr element = at[axis] * static_cast<int>(spec.stride[s]) +
                     tap * static_cast<int>(spec.dilation[s]) - static_cast<int>(spec.low[s]);
      if (sticks_out(windows, shape, out, s)) exists.push_back(element >= 0 && element <= last);
      position[axis] = Halide::clamp(element, 0, last);
    }
    Expr x = c.operand(0, position);
    return Halide::select(all_of(exists), x, Halide::cast(x.type(), 0));
  });
}

constexpr Lowering kWindowLowerings[] = {
    {&ops::max_pool, lower_max_pool},
    {&ops::sum_pool, lower_sum_pool},
    {&ops::window_scatter, lower_window_scatter},
    {&ops::window_gather, lower_window_gather},
};

}  // namespace

std::span<const Lowering> window_lowerings() { return kWindowLowerings; }

}  // namespace ag::lower
