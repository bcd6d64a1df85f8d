// Convolutions and matrix products through lowering, default schedules and the kernel compiler,
// against the reference interpreter.
#include <doctest/doctest.h>

#include <numeric>

#include "ir/gradient.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/ops/winograd.h"
#include "tests/contraction_check.h"

using namespace ag;

namespace {

void residual_block(Body& body) {
  Tensor x = body.input("x", {2, 20, 9, 11}), w = body.input("w", {40, 20, 3, 3});
  Tensor bias = body.input("bias", {1, 40, 1, 1}), r = body.input("r", {2, 40, 9, 11});
  Tensor y = relu(conv(x, w, {.padding = {1, 1, 1, 1}}) + bias + r);
  body.graph.add_output("y", y.value());
}

// relu(conv(relu(x · scale + shift), w) + bias)
void prologue_block(Body& body, Shape lhs, Shape rhs) {
  const int64_t inputs = rhs[1], outputs = rhs[0];
  Tensor x = body.input("x", std::move(lhs)), scale = body.input("scale", {inputs});
  Tensor shift = body.input("shift", {inputs}), bias = body.input("bias", {1, outputs, 1, 1});
  Tensor y = relu(x * broadcast(scale, x.shape(), {1}) + broadcast(shift, x.shape(), {1}));
  y = relu(conv(y, body.input("w", std::move(rhs))) + bias);
  body.graph.add_output("y", y.value());
}

// min(relu(depthwise(x, w) + bias), 6)
void depthwise_block(Body& body) {
  Tensor x = body.input("x", {2, 20, 15, 13}), w = body.input("w", {20, 1, 5, 5});
  Tensor bias = body.input("bias", {1, 20, 1, 1});
  Tensor y = conv(x, w, {.stride = {2, 2}, .padding = {2, 2, 2, 2}, .groups = 20}) + bias;
  body.graph.add_output("y", minimum(relu(y), 6.0).value());
}

// relu(conv(x, w) + bias + r) in groups of four channels
void narrow_groups_block(Body& body) {
  Tensor x = body.input("x", {2, 20, 9, 11}), w = body.input("w", {20, 4, 3, 3});
  Tensor bias = body.input("bias", {1, 20, 1, 1}), r = body.input("r", {2, 20, 9, 11});
  Tensor y = relu(conv(x, w, {.padding = {1, 1, 1, 1}, .groups = 5}) + bias + r);
  body.graph.add_output("y", y.value());
}

// relu(x wᵀ + bias) + r
void linear_block(Body& body, int64_t rows, int64_t features, int64_t width) {
  Tensor x = body.input("x", {rows, features}), w = body.input("w", {width, features});
  Tensor bias = body.input("bias", {1, width}), r = body.input("r", {rows, width});
  Tensor y = relu(matmul(x, w, {.transpose_b = true}) + bias) + r;
  body.graph.add_output("y", y.value());
}

// softmax(q kᵀ (+ bias)) v over the last axes; k and v may be stored the other way round.
void attention_block(Body& body, Shape queries, int64_t keys, int64_t width, bool biased,
                     bool turned = false) {
  Shape key_shape = queries, value_shape = queries;
  const size_t rank = queries.size();
  key_shape[rank - 2] = value_shape[rank - 2] = keys;
  value_shape[rank - 1] = width;
  if (turned) std::swap(key_shape[rank - 2], key_shape[rank - 1]);
  if (turned) std::swap(value_shape[rank - 2], value_shape[rank - 1]);
  Tensor q = body.input("q", queries), k = body.input("k", key_shape),
         v = body.input("v", value_shape);
  Tensor scores = matmul(q, k, {.transpose_b = !turned});
  const Shape all = scores.shape();
  Shape one = all;
  one.back() = 1;
  Integers kept(rank);
  std::iota(kept.begin(), kept.end(), 0);
  if (biased) scores = scores + body.input("bias", all);
  const int last = static_cast<int>(rank) - 1;
  Tensor top = broadcast(reshape(reduce_max(scores, {last}), one), all, kept);
  Tensor exponentials = exp(scores - top);
  Tensor sums = broadcast(reshape(reduce_sum(exponentials, {last}), one), all, kept);
  Tensor y = matmul(exponentials / sums, v, {.transpose_b = turned});
  body.graph.add_output("y", y.value());
}

// A gradient of the convolution x[n,c,s,s] * w[k,c,r,r], towards operand `which`.
template <int which>
void conv_gradient(Body& body, Shape x_shape, Shape w_shape, ConvOptions options) {
  Graph forward("forward");
  Tensor x{forward, forward.add_leaf(ops::input, "x", f32(x_shape), {})};
  Tensor w{forward, forward.add_leaf(ops::input, "w", f32(w_shape), {})};
  Tensor y = conv(x, w, options);
  const ConvSpec spec = ConvSpec::of(forward.node(y.value()));
  const Shape positions{y.shape().begin() + 2, y.shape().end()};
  Tensor dy = body.input("dy", y.shape());
  ConvOptions back{.groups = options.groups};
  for (size_t s = 0; s < positions.size(); ++s) {
    const int64_t in = x_shape[s + 2], taps = w_shape[s + 2], out = positions[s];
    if (which == 0) {
      const int64_t low = taps - 1 - spec.low[s];
      back.lhs_dilation.push_back(spec.stride[s]);
      back.padding.insert(back.padding.end(),
                          {low, in + taps - 2 - (out - 1) * spec.stride[s] - low});
    } else {
      back.rhs_dilation.push_back(spec.stride[s]);
      back.padding.insert(back.padding.end(),
                          {spec.low[s], taps + (out - 1) * spec.stride[s] - in - spec.low[s]});
    }
  }
  Tensor result;
  if (which == 0) {
    back.dims = options.groups > 1 ? "nC,Io->nC" : "nc,io->nc";
    back.reverse = true;
    result = conv(dy, body.input("w", std::move(w_shape)), back);
  } else {
    back.dims = options.groups > 1 ? "cN,iO->Cn" : "cn,io->cn";
    result = conv(body.input("x", std::move(x_shape)), dy, back);
  }
  body.graph.add_output("gradient", result.value());
}

// A gradient towards weights by Winograd's algorithm, and the update of the weights behind it.
template <int tile>
void winograd_gradient(Body& body, Shape x_shape, int64_t outputs, Integers padding, bool update) {
  const int64_t height = x_shape[2] + padding[0] + padding[1] - 2,
                width = x_shape[3] + padding[2] + padding[3] - 2;
  Tensor dy = body.input("dy", {x_shape[0], outputs, height, width});
  Tensor x = body.input("x", std::move(x_shape));
  Tensor dw = winograd_backward_weights(x, dy, tile, std::move(padding));
  if (update) {
    Tensor w = body.input("w", dw.shape()), velocity = body.input("v", dw.shape());
    velocity = velocity * 0.9 + dw;
    body.graph.add_output("velocity", velocity.value());
    dw = w - velocity * 0.1;
  }
  body.graph.add_output("w", dw.value());
}

const Case kCases[] = {
    {"3x3", "conv",
     [](Body& b) {
       conv_case(b, {2, 32, 14, 14}, {48, 32, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"1x1 with norm and activation in front, padding lanes", "conv",
     [](Body& b) {
       prologue_block(b, {2, 48, 9, 13}, {40, 48, 1, 1});
     },
     "conv_prologue"},
    {"1x1 with norm and activation in front, shared rows", "conv",
     [](Body& b) {
       prologue_block(b, {1, 96, 28, 37}, {64, 96, 1, 1});
     },
     "conv_prologue"},
    {"1x1 with norm and activation in front, bands of unequal tasks", "conv",
     [](Body& b) {
       prologue_block(b, {1, 128, 14, 14}, {128, 128, 1, 1});
     },
     "conv_prologue"},
    {"1x1 along one axis, shared columns", "conv",
     [](Body& b) {
       conv_case(b, {1, 32, 1031}, {64, 32, 1}, {});
     },
     "conv_direct"},
    {"3x3 odd sizes, padding lanes, bias, residual, relu", "conv", residual_block, "conv_direct"},
    {"3x3 stride 2", "conv",
     [](Body& b) {
       conv_case(b, {1, 16, 15, 13}, {32, 16, 3, 3}, {.stride = {2, 2}, .padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"first layer", "conv",
     [](Body& b) {
       conv_case(b, {2, 3, 17, 16}, {16, 3, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"first layer without halo", "conv",
     [](Body& b) {
       conv_case(b, {2, 3, 17, 16}, {16, 3, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct", false},
    {"one channel, 5x5", "conv",
     [](Body& b) {
       conv_case(b, {3, 1, 28, 28}, {6, 1, 5, 5}, {.padding = {2, 2, 2, 2}});
     },
     "conv_direct", false},
    {"6 to 16 channels, 5x5", "conv",
     [](Body& b) {
       conv_case(b, {3, 6, 14, 14}, {16, 6, 5, 5}, {});
     },
     "conv_direct"},
    {"1x1", "conv",
     [](Body& b) {
       conv_case(b, {2, 64, 7, 7}, {32, 64, 1, 1}, {});
     },
     "conv_direct"},
    {"1x1, half a vector of channels in and out", "conv",
     [](Body& b) {
       conv_case(b, {1, 40, 7, 9}, {24, 40, 1, 1}, {});
     },
     "conv_direct"},
    {"1x1, far weights, a tile of four rows and one of three", "conv",
     [](Body& b) {
       conv_case(b, {2, 320, 7, 7}, {256, 320, 1, 1}, {});
     },
     "conv_direct"},
    {"1x1, far weights, two tiles, half a vector, bias, residual", "conv",
     [](Body& b) {
       Tensor y = conv(b.input("x", {1, 328, 7, 7}), b.input("w", {232, 328, 1, 1}), {});
       y = relu(y + b.input("bias", {1, 232, 1, 1}) + b.input("r", {1, 232, 7, 7}));
       b.graph.add_output("y", y.value());
     },
     "conv_direct"},
    {"3x3, far weights, five rows", "conv",
     [](Body& b) {
       conv_case(b, {1, 96, 5, 6}, {96, 96, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"3x3, tasks of unequal height", "conv",
     [](Body& b) {
       conv_case(b, {1, 48, 13, 13}, {48, 48, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"3x3, tasks of equal height where the input is copied", "conv",
     [](Body& b) {
       conv_case(b, {1, 48, 13, 13}, {48, 48, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct", false},
    {"1x1, half a vector behind several panels, residual", "conv",
     [](Body& b) {
       Tensor y = conv(b.input("x", {1, 104, 14, 14}), b.input("w", {104, 104, 1, 1}), {});
       y = relu(y + b.input("bias", {1, 104, 1, 1}) + b.input("r", {1, 104, 14, 14}));
       b.graph.add_output("y", y.value());
     },
     "conv_direct"},
    {"1x1, a quarter of a vector of channels", "conv",
     [](Body& b) {
       conv_case(b, {1, 20, 6, 6}, {20, 20, 1, 1}, {});
     },
     "conv_direct"},
    {"depthwise, half a vector of channels", "conv",
     [](Body& b) {
       conv_case(b, {1, 72, 9, 9}, {72, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 72});
     },
     "conv_direct"},
    {"1x1 stride 2", "conv",
     [](Body& b) {
       conv_case(b, {2, 32, 14, 14}, {64, 32, 1, 1}, {.stride = {2, 2}});
     },
     "conv_direct"},
    {"7x7 stride 2", "conv",
     [](Body& b) {
       conv_case(b, {1, 3, 30, 30}, {16, 3, 7, 7}, {.stride = {2, 2}, .padding = {3, 3, 3, 3}});
     },
     "conv_direct"},
    {"dilated taps", "conv",
     [](Body& b) {
       conv_case(b, {1, 16, 12, 12}, {16, 16, 3, 3},
                 {.padding = {2, 2, 2, 2}, .rhs_dilation = {2, 2}});
     },
     "conv_direct"},
    {"one axis", "conv",
     [](Body& b) {
       conv_case(b, {2, 16, 50}, {32, 16, 5}, {.padding = {2, 2}});
     },
     "conv_direct"},
    {"three axes", "conv",
     [](Body& b) {
       conv_case(b, {1, 8, 5, 6, 7}, {16, 8, 3, 3, 3}, {.padding = {1, 1, 1, 1, 1, 1}});
     },
     "conv_direct"},
    {"three axes, stride 2, taps that are far apart", "conv",
     [](Body& b) {
       conv_case(b, {2, 16, 6, 7, 9}, {20, 16, 3, 3, 3},
                 {.stride = {2, 1, 2}, .padding = {2, 3, 1, 1, 0, 1}, .rhs_dilation = {2, 1, 1}});
     },
     "conv_direct"},
    {"three axes, results that no tap meets", "conv",
     [](Body& b) {
       conv_case(b, {1, 16, 2, 6, 7}, {16, 16, 2, 3, 3}, {.padding = {4, 3, 1, 1, 1, 1}});
     },
     "conv_direct"},
    {"three axes, many channels, few positions: in passes", "conv",
     [](Body& b) {
       conv_case(b, {1, 160, 2, 7, 7}, {160, 160, 3, 3, 3}, {.padding = {1, 1, 1, 1, 1, 1}});
     },
     "conv_direct"},
    {"many channels, few positions: in passes", "conv",
     [](Body& b) {
       conv_case(b, {2, 256, 7, 7}, {192, 256, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"many channels, few positions, stride 2, padding lanes: in passes", "conv",
     [](Body& b) {
       conv_case(b, {1, 192, 14, 14}, {200, 192, 3, 3},
                 {.stride = {2, 2}, .padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"depthwise", "conv",
     [](Body& b) {
       conv_case(b, {2, 24, 9, 9}, {24, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 24});
     },
     "conv_direct"},
    {"depthwise 5x5 stride 2, odd sizes, epilogue", "conv", depthwise_block, "conv_direct"},
    {"depthwise, dilated", "conv",
     [](Body& b) {
       conv_case(b, {1, 32, 11, 14}, {32, 1, 3, 3},
                 {.padding = {2, 2, 2, 2}, .rhs_dilation = {2, 2}, .groups = 32});
     },
     "conv_direct"},
    {"depthwise without halo", "conv",
     [](Body& b) {
       conv_case(b, {2, 20, 9, 9}, {20, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 20});
     },
     "conv_direct", false},
    {"depthwise 7x7, parallel", "conv",
     [](Body& b) {
       conv_case(b, {1, 40, 33, 29}, {40, 1, 7, 7}, {.padding = {3, 3, 3, 3}, .groups = 40});
     },
     "conv_direct"},
    {"depthwise, images from far caches", "conv",
     [](Body& b) {
       conv_case(b, {16, 40, 36, 37}, {40, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 40});
     },
     "conv_direct"},
    {"depthwise, one axis", "conv",
     [](Body& b) {
       conv_case(b, {2, 24, 50}, {24, 1, 9}, {.padding = {4, 4}, .groups = 24});
     },
     "conv_direct"},
    {"depthwise, three axes", "conv",
     [](Body& b) {
       conv_case(b, {1, 20, 5, 6, 7}, {20, 1, 3, 3, 3},
                 {.padding = {1, 1, 1, 1, 1, 1}, .groups = 20});
     },
     "conv_direct"},
    {"depthwise backward weights", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {3, 32, 12, 10}, {32, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 32});
     },
     "conv_depthwise_weights"},
    {"depthwise backward weights, 5x5, stride 2, padding lanes", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {2, 40, 15, 13}, {40, 1, 5, 5},
                        {.stride = {2, 2}, .padding = {2, 2, 2, 2}, .groups = 40});
     },
     "conv_depthwise_weights"},
    {"depthwise backward weights, 7x7 without halo", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {2, 24, 21, 20}, {24, 1, 7, 7}, {.padding = {3, 3, 3, 3}, .groups = 24});
     },
     "conv_depthwise_weights", false},
    {"depthwise backward weights, one axis", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {2, 16, 40}, {16, 1, 5}, {.padding = {2, 2}, .groups = 16});
     },
     "conv_depthwise_weights"},
    {"depthwise backward weights, three axes", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {2, 16, 4, 6, 8}, {16, 1, 3, 3, 3},
                        {.padding = {1, 1, 1, 1, 1, 1}, .groups = 16});
     },
     "conv_depthwise_weights"},
    {"groups of four, padding lanes, bias, residual", "conv", narrow_groups_block, "conv_direct"},
    {"groups of eight, stride 2", "conv",
     [](Body& b) {
       conv_case(b, {2, 104, 15, 14}, {104, 8, 3, 3},
                 {.stride = {2, 2}, .padding = {1, 1, 1, 1}, .groups = 13});
     },
     "conv_direct"},
    {"groups of eight, odd sizes, padding lanes, sigmoid, residual", "conv",
     [](Body& b) {
       const Tensor x = b.input("x", {2, 40, 9, 17}), w = b.input("w", {40, 8, 3, 3});
       const Tensor y = conv(x, w, {.padding = {1, 1, 1, 1}, .groups = 5});
       const Tensor z = sigmoid(y + b.input("bias", {1, 40, 1, 1})) + b.input("r", {2, 40, 9, 17});
       b.graph.add_output("y", z.value());
     },
     "conv_direct"},
    {"groups of eight from four, one axis", "conv",
     [](Body& b) {
       conv_case(b, {2, 20, 50}, {40, 4, 5}, {.padding = {2, 2}, .groups = 5});
     },
     "conv_direct"},
    {"groups of two without halo, 1x1", "conv",
     [](Body& b) {
       conv_case(b, {1, 12, 9, 10}, {12, 2, 1, 1}, {.groups = 6});
     },
     "conv_direct", false},
    {"groups of one vector", "conv",
     [](Body& b) {
       conv_case(b, {2, 64, 9, 9}, {96, 16, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 4});
     },
     "conv_direct"},
    {"groups of several vectors", "conv",
     [](Body& b) {
       conv_case(b, {1, 96, 10, 9}, {192, 48, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 2});
     },
     "conv_direct"},
    {"groups of a vector and a half", "conv",
     [](Body& b) {
       conv_case(b, {1, 72, 10, 9}, {72, 24, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 3});
     },
     "conv_direct"},
    {"groups backward data", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {2, 64, 10, 12}, {96, 32, 3, 3},
                        {.stride = {2, 2}, .padding = {1, 1, 1, 1}, .groups = 2});
     },
     "conv_direct"},
    {"groups of four backward data", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {2, 16, 10, 12}, {16, 4, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 4});
     },
     "conv_direct"},
    {"depthwise with two outputs a channel", "conv",
     [](Body& b) {
       conv_case(b, {1, 16, 9, 9}, {32, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 16});
     },
     "contraction_plain"},
    {"depthwise backward data", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {2, 24, 11, 12}, {24, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 24});
     },
     "conv_direct"},
    {"depthwise backward data, stride 2, even", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {2, 24, 12, 16}, {24, 1, 3, 3},
                        {.stride = {2, 2}, .padding = {1, 1, 1, 1}, .groups = 24});
     },
     "conv_direct"},
    {"depthwise backward data, stride 2, odd, parallel", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {1, 64, 57, 55}, {64, 1, 5, 5},
                        {.stride = {2, 2}, .padding = {2, 2, 2, 2}, .groups = 64});
     },
     "conv_direct"},
    {"groups", "conv",
     [](Body& b) {
       conv_case(b, {2, 12, 9, 9}, {18, 4, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 3});
     },
     "contraction_plain"},
    {"backward data", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {2, 16, 10, 12}, {32, 16, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"backward data, stride 2, even", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {2, 32, 16, 16}, {48, 32, 3, 3},
                        {.stride = {2, 2}, .padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"backward data, stride 2, odd", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {1, 16, 13, 15}, {16, 16, 3, 3},
                        {.stride = {2, 2}, .padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"backward data, many channels, few positions: in passes", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {2, 200, 8, 8}, {192, 200, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"backward data, stride 2, many channels, few positions: in passes", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {1, 192, 14, 14}, {256, 192, 3, 3},
                        {.stride = {2, 2}, .padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"backward data, three axes, stride 2", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {1, 16, 5, 8, 7}, {16, 16, 3, 3, 3},
                        {.stride = {2, 2, 2}, .padding = {1, 1, 1, 1, 1, 1}});
     },
     "conv_direct"},
    {"backward data, 1x1 stride 2", "conv",
     [](Body& b) {
       conv_gradient<0>(b, {1, 16, 14, 14}, {16, 16, 1, 1}, {.stride = {2, 2}});
     },
     "conv_direct"},
    {"backward weights", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {4, 32, 12, 10}, {32, 32, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_backward_weights"},
    {"backward weights, padding lanes", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {3, 20, 9, 9}, {24, 20, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_backward_weights"},
    {"backward weights, many channels: in panels", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {2, 100, 7, 7}, {136, 100, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_backward_weights"},
    {"backward weights, stride 2", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {4, 16, 16, 16}, {32, 16, 3, 3},
                        {.stride = {2, 2}, .padding = {1, 1, 1, 1}});
     },
     "conv_backward_weights"},
    {"backward weights, first layer without halo", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {4, 3, 16, 16}, {16, 3, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_backward_weights", false},
    {"backward weights, 1x1", "conv",
     [](Body& b) {
       conv_gradient<1>(b, {4, 32, 8, 8}, {64, 32, 1, 1}, {});
     },
     "conv_backward_weights"},
    {"Winograd's backward weights", "winograd_backward",
     [](Body& b) {
       winograd_gradient<4>(b, {4, 32, 12, 16}, 32, {1, 1, 1, 1}, false);
     },
     "conv_winograd_weights"},
    {"Winograd's backward weights, odd sizes, padding lanes", "winograd_backward",
     [](Body& b) {
       winograd_gradient<4>(b, {3, 20, 9, 11}, 24, {1, 0, 2, 1}, true);
     },
     "conv_winograd_weights"},
    {"Winograd's backward weights without halo, tiles of 2", "winograd_backward",
     [](Body& b) {
       winograd_gradient<2>(b, {5, 16, 7, 6}, 48, {1, 1, 1, 1}, false);
     },
     "conv_winograd_weights", false},
    {"Winograd's backward weights in panels, no padding", "winograd_backward",
     [](Body& b) {
       winograd_gradient<4>(b, {2, 40, 7, 9}, 264, {0, 0, 0, 0}, true);
     },
     "conv_winograd_weights"},
    {"Winograd's backward weights, partial sums", "winograd_backward",
     [](Body& b) {
       winograd_gradient<4>(b, {16, 32, 16, 16}, 64, {1, 1, 1, 1}, true);
     },
     "conv_winograd_weights"},
    {"Winograd's backward weights of few channels, any layout", "winograd_backward",
     [](Body& b) {
       winograd_gradient<2>(b, {1, 3, 8, 9}, 5, {1, 1, 1, 1}, false);
     },
     "contraction_plain"},
    {"matrix product", "matmul",
     [](Body& b) {
       b.graph.add_output("y", matmul(b.input("a", {37, 65}), b.input("b", {65, 70})).value());
     },
     "matmul"},
    {"matrix product, deep", "matmul",
     [](Body& b) {
       Tensor y = matmul(b.input("dy", {1576, 192}), b.input("x", {1576, 96}),
                         {.transpose_a = true, .transpose_b = false});
       b.graph.add_output("y", (b.input("w", {192, 96}) - y).value());
     },
     "matmul_deep"},
    {"matrix product, both transposed", "matmul",
     [](Body& b) {
       b.graph.add_output("y", matmul(b.input("a", {65, 37}), b.input("b", {70, 65}),
                                      {.transpose_a = true, .transpose_b = true})
                                   .value());
     },
     "matmul"},
    {"linear layer", "matmul",
     [](Body& b) {
       b.graph.add_output(
           "y", (matmul(b.input("x", {64, 120}), b.input("w", {10, 120}), {.transpose_b = true}) +
                 b.input("bias", {1, 10}))
                    .value());
     },
     "matmul"},
    {"linear layer of one row", "matmul", [](Body& b) { linear_block(b, 1, 1280, 1000); },
     "matvec"},
    {"linear layer of one row, odd sizes", "matmul", [](Body& b) { linear_block(b, 1, 75, 101); },
     "matvec"},
    {"linear layer of three rows", "matmul", [](Body& b) { linear_block(b, 3, 130, 27); },
     "matvec"},
    {"linear layer of four rows, parallel", "matmul",
     [](Body& b) { linear_block(b, 4, 1027, 520); }, "matvec"},
    {"linear layer of few features", "matmul", [](Body& b) { linear_block(b, 2, 3, 5); }, "matvec"},
    {"rows by stored rows, batched", "matmul",
     [](Body& b) {
       b.graph.add_output("y", matmul(b.input("a", {2, 3, 2, 37}), b.input("b", {2, 3, 33, 37}),
                                      {.transpose_b = true})
                                   .value());
     },
     "matvec"},
    {"linear layer in panels, bias and residual", "matmul",
     [](Body& b) { linear_block(b, 19, 65, 96); }, "matmul"},
    {"linear layer in panels, parallel", "matmul", [](Body& b) { linear_block(b, 197, 300, 224); },
     "matmul"},
    {"linear layer of many rows, blocks of them outside", "matmul",
     [](Body& b) { linear_block(b, 1777, 130, 208); }, "matmul"},
    {"attention", "attention",
     [](Body& b) {
       attention_block(b, {2, 3, 37, 20}, 53, 24, false);
     },
     "attention"},
    {"attention of 197 tokens with a bias", "attention",
     [](Body& b) {
       attention_block(b, {1, 2, 197, 64}, 197, 64, true);
     },
     "attention"},
    {"attention of one matrix, few columns", "attention",
     [](Body& b) {
       attention_block(b, {9, 5}, 3, 2, true);
     },
     "attention"},
    {"attention, keys and values stored the other way round", "attention",
     [](Body& b) {
       attention_block(b, {2, 49, 32}, 49, 40, true, true);
     },
     "attention"},
    {"row by matrix", "matmul",
     [](Body& b) {
       b.graph.add_output("y", matmul(b.input("a", {1, 300}), b.input("b", {300, 50})).value());
     },
     "matmul"},
    {"batched", "matmul",
     [](Body& b) {
       b.graph.add_output(
           "y", matmul(b.input("a", {2, 3, 9, 17}), b.input("b", {2, 3, 17, 33})).value());
     },
     "matmul"},
    {"1x1, many blocks of channels", "conv",
     [](Body& b) {
       conv_case(b, {1, 640, 8, 8}, {24, 640, 1, 1}, {});
     },
     "conv_direct"},
    {"3x3, many blocks of channels", "conv",
     [](Body& b) {
       conv_case(b, {2, 544, 6, 6}, {40, 544, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
};

}  // namespace

// AVX2's sixteen registers of eight lanes, and the best this machine has.
TEST_CASE("contractions compute what the interpreter computes") { check_cases(kCases); }

namespace {

void depthwise_images(Body& b, int64_t images) {
  conv_case(b, {images, 64, 36, 36}, {64, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 64});
}

}  // namespace

TEST_CASE("depthwise tiles have one row where images come from far caches") {
  for (const char* target : {"x86-64-v3", "x86-64-v4"}) {
    const std::string near = schedule_of([](Body&b) { depthwise_images(b, 1); }, target),
                      far = schedule_of([](Body&b) { depthwise_images(b, 16); }, target);
    CAPTURE(near);
    CAPTURE(far);
    CHECK(near.find("tile_y=1,") == std::string::npos);
    CHECK(far.find("tile_y=1,") != std::string::npos);
  }
}

TEST_CASE("sums over many blocks of channels of a far image take passes") {
  const auto deep = [](Body& b) { conv_case(b, {1, 2048, 32, 32}, {512, 2048, 1, 1}, {}); };
  const auto near = [](Body& b) { conv_case(b, {1, 2048, 8, 8}, {64, 2048, 1, 1}, {}); };
  const auto flat = [](Body& b) { conv_case(b, {1, 512, 32, 32}, {512, 512, 1, 1}, {}); };
  // No tile of two vectors divides 37 columns.
  const auto odd = [](Body& b) { conv_case(b, {1, 2048, 37, 37}, {512, 2048, 1, 1}, {}); };
  const auto passes = [](void (*build)(Body&), const char* target) {
    const std::string schedule = schedule_of(build, target);
    return std::stoi(schedule.substr(schedule.find("passes=") + 7));
  };
  CHECK(passes(deep, "x86-64-v3") == 16);
  CHECK(passes(deep, "x86-64-v4") == 16);
  CHECK(passes(near, "x86-64-v4") == 1);
  for (const char* target : {"x86-64-v3", "x86-64-v4"}) {
    CHECK(passes(flat, target) == 1);
    CHECK(passes(odd, target) == 1);
  }
}

TEST_CASE("tiles of far images are flat") {
  const auto far = [](Body& b) { conv_case(b, {1, 512, 32, 32}, {64, 512, 1, 1}, {}); };
  const auto near = [](Body& b) { conv_case(b, {1, 192, 32, 32}, {64, 192, 1, 1}, {}); };
  CHECK(schedule_of(far, "x86-64-v4").find("tile_y=1,") != std::string::npos);
  CHECK(schedule_of(near, "x86-64-v4").find("tile_y=2,") != std::string::npos);
}

TEST_CASE("1x1 sums over few channels have tiles of one block") {
  const auto few = [](Body& b) { conv_case(b, {1, 32, 28, 28}, {192, 32, 1, 1}, {}); };
  const auto many = [](Body& b) { conv_case(b, {1, 192, 28, 28}, {192, 192, 1, 1}, {}); };
  const auto small = [](Body& b) { conv_case(b, {1, 32, 7, 7}, {192, 32, 1, 1}, {}); };
  CHECK(schedule_of(few, "x86-64-v4").find("tile_k=1,tile_x=14,tile_y=1,") != std::string::npos);
  CHECK(schedule_of(few, "x86-64-v3").find("tile_k=1,") == std::string::npos);
  CHECK(schedule_of(many, "x86-64-v4").find("tile_k=1,") == std::string::npos);
  CHECK(schedule_of(small, "x86-64-v4").find("tile_k=1,") == std::string::npos);
}
