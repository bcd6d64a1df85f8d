// A convolution whose groups fill vectors, as the choosers of its direct kernel see it.
#pragma once

#include "codegen/schedule/caches.h"
#include "codegen/schedule/conv_view.h"

namespace ag {

struct DirectView {
  static constexpr int64_t kCacheLine = 64;

  const ConvView& conv;
  int64_t block, vectors, blocks;  // blocks: of a group's output channels
  int64_t width, height;
  int64_t images;  // and other axes outside of the last two

  explicit DirectView(const ConvView& view)
      : conv(view),
        block(view.kernel.results[0].type.layout.block_of(view.spec.dims.out_channel)),
        vectors(view.registers_of(block)),
        blocks((view.extents.output + block - 1) / block),
        width(view.result().back()),
        height(view.rank() > 3 ? view.result()[view.rank() - 2] : 1),
        images(view.node.types[0].count() /
               (width * height * view.result()[view.spec.dims.out_channel])) {}

  // ---- the processor ----

  // 16 registers hold 12 to 14 sums: few tiles of a row that divide it are near to that.
  bool has_few_registers() const {
    const Target& target = conv.kernel.target;
    return target.vector_bytes == kCacheLine / 2 && target.vector_registers <= 16;
  }

  // A vector is a cache line.
  bool is_wide() const { return conv.kernel.target.vector_bytes == kCacheLine; }

  // ---- inputs ----

  // Channels that lie side by side; 1 without blocks.
  int64_t input_block() const {
    const BufferForm* inputs = conv.form(0);
    return inputs ? inputs->type.layout.block_of(conv.spec.dims.lhs_channel) : 1;
  }

  int64_t input_bytes() const { return conv.kernel.body.type(conv.node.operands[0]).bytes(); }

  // Of one image, and group.
  int64_t image_bytes() const { return input_bytes() / images / conv.spec.groups; }

  bool has_far_image() const { return input_bytes() > images * kCaches.second; }

  // ---- weights ----

  bool has_one_tap() const { return element_count(conv.extents.rhs) == 1; }

  // Of input channels that a sum in memory can be interrupted after; 0: it cannot.
  int64_t pass_block() const {
    const BufferForm* weights = conv.form(1);
    const BufferForm* inputs = conv.form(0);
    if (conv.spec.groups > 1 || conv.rank() < 4 || !weights || !inputs) return 0;
    const int64_t block = weights->type.layout.block_of(conv.spec.dims.rhs_input);
    const bool blocked = block > 1 && inputs->type.layout.block_of(conv.spec.dims.lhs_channel) > 1;
    return blocked && conv.extents.input % block == 0 ? block : 0;
  }

  int64_t weight_bytes() const {
    const BufferForm* weights = conv.form(1);
    return weights ? weights->type.count() * 4 : 0;
  }

  // Weights that are no longer in the second-level cache when a network comes back to them.
  bool has_cold_weights() const { return weight_bytes() > kCaches.second / 4; }

  // Weights from beyond the second-level cache that few positions share.
  bool far_weights() const {
    constexpr int64_t kFewPositions = 256;
    return weight_bytes() >= kFarWeights && width * height <= kFewPositions;
  }

  // ---- results ----

  int64_t phases() const {
    if (conv.rank() != 4) return 1;
    return std::max(conv.spec.lhs_dilation[0], conv.spec.lhs_dilation[1]);
  }

  // 1x1 sums over few channels end often. Images of few positions read weights too often for tiles
  // that are made for that.
  bool has_short_sums() const {
    constexpr int64_t kShortSum = 144, kShortSumPositions = 128;
    return is_wide() && has_one_tap() && conv.spec.groups == 1 && conv.extents.input <= kShortSum &&
           width * height >= kShortSumPositions;
  }

  // Whether a row's sums wait in memory for an epilogue whose constants need registers themselves.
  bool splits_epilogue() const {
    return has_few_registers() && is_costly_epilogue(conv.kernel.body) && conv.rank() == 4 &&
           phases() == 1 && !conv.sums_result() && pass_block() > 0 &&
           conv.extents.input > pass_block();
  }
};

}  // namespace ag
