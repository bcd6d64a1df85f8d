// Swin transformer (Liu et al., "Swin transformer: hierarchical vision transformer using shifted
// windows", 2021), named as in torchvision. Tokens are [batch, height, width, channels].
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/attention.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/index.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

constexpr int64_t kWindow = 7, kTokens = kWindow * kWindow, kHalf = kWindow / 2;
constexpr double kMasked = -100;  // added to the score of two tokens that are no neighbours

// The windows of one attention: extents padded to whole windows and what they are shifted by.
struct Windows {
  int64_t height, width, rows, columns, shift_y, shift_x;

  static Windows over(const Tensor& x, bool shifted) {
    const int64_t rows = (x.extent(1) + kWindow - 1) / kWindow;
    const int64_t columns = (x.extent(2) + kWindow - 1) / kWindow;
    // A single window sees everything already.
    return {x.extent(1),
            x.extent(2),
            rows,
            columns,
            shifted && rows > 1 ? kHalf : 0,
            shifted && columns > 1 ? kHalf : 0};
  }
  bool shifted() const { return shift_y + shift_x > 0; }
};

// Elements `by` and on, then those before.
Tensor rolled(Tensor x, int axis, int64_t by) {
  if (by == 0) return x;
  Integers start(x.rank(), 0), limit = x.shape();
  start[axis] = limit[axis] = by;
  Tensor front = slice(x, Integers(x.rank(), 0), limit);
  return concat({slice(x, start, x.shape()), front}, axis);
}

// [batch, height, width, channels] to [batch · windows, tokens, channels].
Tensor split(Tensor x, const Windows& w) {
  const int64_t height = w.rows * kWindow, width = w.columns * kWindow, channels = x.extent(3);
  if (height != w.height || width != w.width)
    x = pad(x, {0, 0, 0, 0}, {0, height - w.height, width - w.width, 0});
  x = rolled(rolled(x, 1, w.shift_y), 2, w.shift_x);
  x = reshape(x, {x.batch(), w.rows, kWindow, w.columns, kWindow, channels});
  return reshape(transpose(x, {0, 1, 3, 2, 4, 5}), {-1, kTokens, channels});
}

// The way back.
Tensor joined(Tensor x, const Windows& w) {
  const int64_t height = w.rows * kWindow, width = w.columns * kWindow, channels = x.extent(2);
  x = reshape(x, {-1, w.rows, w.columns, kWindow, kWindow, channels});
  x = reshape(transpose(x, {0, 1, 3, 2, 4, 5}), {-1, height, width, channels});
  if (w.shift_y > 0) x = rolled(x, 1, height - w.shift_y);
  if (w.shift_x > 0) x = rolled(x, 2, width - w.shift_x);
  if (height == w.height && width == w.width) return x;
  return slice(x, {0, 0, 0, 0}, {x.batch(), w.height, w.width, channels});
}

// A learned score for each offset between two tokens of a window: [1, heads, tokens, tokens].
Tensor position_bias(const Tensor& x, int64_t heads) {
  Tensor table = BuildContext::of(x, "position_bias")
                     .parameter("relative_position_bias_table",
                                x.type().with_shape({(2 * kWindow - 1) * (2 * kWindow - 1), heads}),
                                normal(0.02));
  Array index(DType::i32, {kTokens, kTokens});
  for (int64_t a = 0; a < kTokens; ++a) {
    for (int64_t b = 0; b < kTokens; ++b) {
      const int64_t dy = a / kWindow - b / kWindow, dx = a % kWindow - b % kWindow;
      index.set_int(a * kTokens + b, (dy + kWindow - 1) * (2 * kWindow - 1) + dx + kWindow - 1);
    }
  }
  Tensor bias = gather_rows(table, constant(x.graph(), std::move(index)));
  return reshape(transpose(bias, {2, 0, 1}), {1, heads, kTokens, kTokens});
}

// Which part of the rolled axis element `at` comes from. Parts met in one window stay apart.
int64_t region(int64_t at, int64_t extent, int64_t shift) {
  return (at >= extent - kWindow) + (at >= extent - shift);
}

// [windows, 1, tokens, tokens]: 0 between tokens of one part of the image, else kMasked.
Tensor shift_mask(const Tensor& x, const Windows& w) {
  const int64_t windows = w.rows * w.columns;
  auto part = [&](int64_t window, int64_t token) {
    const int64_t y = window / w.columns * kWindow + token / kWindow;
    const int64_t along = window % w.columns * kWindow + token % kWindow;
    return 3 * region(y, w.rows * kWindow, w.shift_y) +
           region(along, w.columns * kWindow, w.shift_x);
  };
  Array mask(x.dtype(), {windows, 1, kTokens, kTokens});
  for (int64_t i = 0; i < mask.count(); ++i) {
    const int64_t window = i / (kTokens * kTokens);
    const int64_t a = i / kTokens % kTokens, b = i % kTokens;
    if (part(window, a) != part(window, b)) mask.set_double(i, kMasked);
  }
  return constant(x.graph(), std::move(mask));
}

Tensor window_attention(Tensor x, int64_t heads, bool shifted) {
  const Windows windows = Windows::over(x, shifted);
  const int64_t channels = x.extent(3);
  Tensor bias = position_bias(x, heads);
  if (windows.shifted()) bias = bias + shift_mask(x, windows);
  x = linear("qkv", split(x, windows), 3 * channels, {.weight = normal(0.02)});
  x = linear("proj", self_attention(x, heads, bias), channels, {.weight = normal(0.02)});
  return joined(x, windows);
}

Tensor block(Tensor x, int64_t heads, bool shifted, double drop_rate) {
  Tensor y = in_scope("attn", layer_norm("norm1", x),
                      [&](Tensor tokens) { return window_attention(tokens, heads, shifted); });
  x = x + stochastic_depth(y, drop_rate);
  y = perceptron(layer_norm("norm2", x), {"mlp.0", "mlp.3"});
  return x + stochastic_depth(y, drop_rate);
}

// Four neighbours become one token of twice the channels.
Tensor merged(Tensor x) {
  const int64_t height = x.extent(1), width = x.extent(2), channels = x.extent(3);
  if (height % 2 + width % 2 > 0) x = pad(x, {0, 0, 0, 0}, {0, height % 2, width % 2, 0});
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < 4; ++i)
    parts.push_back(slice(x, {0, i % 2, i / 2, 0}, x.shape(), {1, 2, 2, 1}));
  x = layer_norm("norm", concat(parts, 3));
  return linear("reduction", x, 2 * channels, {.bias = false, .weight = normal(0.02)});
}

struct Stage {
  int64_t blocks, heads;
};
constexpr Stage kTiny[] = {{2, 3}, {2, 6}, {6, 12}, {2, 24}};

Tensor features(Tensor image, std::span<const Stage> stages, int64_t width, double drop_rate) {
  Scope scope("features", image);
  double block_number = 0, blocks = 0;
  for (const Stage& stage : stages) blocks += static_cast<double>(stage.blocks);
  Tensor x = conv("0.0", image, width, {.kernel = 4, .stride = 4});
  x = layer_norm("0.2", transpose(x, {0, 2, 3, 1}));
  for (size_t i = 0; i < stages.size(); ++i) {
    if (i > 0) x = in_scope(std::to_string(2 * i), x, merged);
    for (int64_t j = 0; j < stages[i].blocks; ++j) {
      Scope name(fmt::format("{}.{}", 2 * i + 1, j), x);
      x = block(x, stages[i].heads, j % 2 == 1, drop_rate * block_number++ / (blocks - 1));
    }
  }
  return x;
}

}  // namespace

Tensor swin_t(Tensor image, int64_t classes) {
  Tensor x = layer_norm("norm", features(image, kTiny, 96, 0.2));
  x = flatten(global_avg_pool(transpose(x, {0, 3, 1, 2})));
  return linear("head", x, classes, {.weight = normal(0.02)});
}

}  // namespace ag::zoo
