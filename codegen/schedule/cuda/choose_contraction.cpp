#include <algorithm>

#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/cuda/choose.h"
#include "codegen/schedule/cuda/gemm.h"
#include "codegen/schedule/cuda/rules.h"
#include "codegen/schedule/register_tile.h"
#include "ir/ops/contract.h"

namespace ag {
namespace {

// A contraction as its tiles see it.
struct View {
  int axis_a = 0, axis_b = 0;      // of the result
  int64_t unit_b = 1;              // a tile along axis_b divides this: 0 for any
  int64_t longest = 1, depth = 1;  // the longest loop of the sum; all of it
  int64_t unroll = 1;
  bool unroll_taps = false;
};

struct Tile {
  int64_t a = 1, b = 1;
};

const Node* find_contraction(const Graph& body) {
  const Node* found = nullptr;
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    if (!node.is(ops::conv) && !node.is(ops::matmul)) continue;
    if (found) return nullptr;
    found = &node;
  }
  return found;
}

bool shares_positions(const KernelView& kernel, const Node& node) {
  return std::all_of(kernel.results.begin(), kernel.results.end(), [&](const BufferForm& form) {
    return form.type.shape == node.types[0].shape && form.type.layout.is_row_major();
  });
}

View view_of_matmul(const KernelView& kernel, const Node& node) {
  constexpr int64_t kUnroll = 4;
  const int rank = node.types[0].rank();
  const Shape& left = kernel.body.type(node.operands[0]).shape;
  View view{rank - 1, rank - 2, 0};
  view.longest = view.depth = left[rank - (node.attributes.flag("transpose_a") ? 2 : 1)];
  view.unroll = view.depth % kUnroll == 0 ? kUnroll : 1;
  return view;
}

// Forward and backward-data tile positions by channels, depthwise ones positions alone, and
// backward-weights (few positions, long sums) one kind of channel by the other.
View view_of_conv(const KernelView& kernel, const Node& node) {
  constexpr int64_t kMostUnrolledTaps = 3;
  const ConvSpec spec = ConvSpec::of(node);
  const Shape& result = node.types[0].shape;
  const ConvExtents extents(spec, kernel.body.type(node.operands[0]).shape,
                            kernel.body.type(node.operands[1]).shape, result);
  const int rank = node.types[0].rank();
  const int64_t taps = element_count(extents.rhs);
  const bool few_positions =
      rank == 2 || result[rank - 1] == 1 || taps > element_count(extents.out);
  View view{few_positions ? spec.dims.out_batch : rank - 1, spec.dims.out_channel, 0};
  if (spec.groups > 1)
    view.unit_b = spec.dims.out_group == spec.dims.out_channel ? extents.output : 0;
  if (view.unit_b == 1 && rank > 3 && !few_positions) {
    view.axis_b = rank - 2;
    view.unit_b = 0;
  }
  view.depth = extents.input * taps;
  view.longest = extents.input;
  for (int64_t extent : extents.rhs) view.longest = std::max(view.longest, extent);
  view.unroll_taps = rank > 2 && extents.rhs.back() <= kMostUnrolledTaps;
  return view;
}

// The largest tile that wastes little.
int64_t tile_of(int64_t extent, int64_t most) {
  constexpr double kUsed = 0.75;
  int64_t tile = most;
  while (tile > 1 && (tile > extent || used_part(extent, tile) < kUsed)) tile /= 2;
  return tile;
}

int64_t tiles_of(const Shape& result, const View& view, const Tile& tile) {
  int64_t tiles = 1;
  for (int axis = 0; axis < static_cast<int>(result.size()); ++axis) {
    const int64_t part = axis == view.axis_a ? tile.a : axis == view.axis_b ? tile.b : 1;
    tiles *= (result[axis] + part - 1) / part;
  }
  return tiles;
}

// Large tiles read less; but first the device must be full.
Tile choose_tile(const Shape& result, const View& view) {
  constexpr int64_t kMostA = 4, kMostB = 8;
  Tile tile{tile_of(result[view.axis_a], kMostA), tile_of(result[view.axis_b], kMostB)};
  while (view.unit_b > 0 && view.unit_b % tile.b != 0) tile.b /= 2;
  while (tiles_of(result, view, tile) < kFullDevice && tile.a * tile.b > 4) {
    if (tile.b >= tile.a)
      tile.b /= 2;
    else
      tile.a /= 2;
  }
  return tile;
}

int64_t parts_of(const View& view, int64_t tiles) {
  constexpr int64_t kLeastDepth = 128, kMostParts = 64;
  const int64_t wanted = kFullDevice / 2 / std::max<int64_t>(tiles, 1);
  return std::max<int64_t>(std::min({wanted, view.depth / kLeastDepth, view.longest, kMostParts}),
                           1);
}

Schedule tiled(const Node& node, const View& view) {
  constexpr int64_t kMostThreadsB = 8, kBlock = 128;
  const Shape& result = node.types[0].shape;
  const Tile tile = choose_tile(result, view);
  const int64_t tiles = tiles_of(result, view, tile);
  const int64_t tiles_b = (result[view.axis_b] + tile.b - 1) / tile.b;
  int64_t threads_b = std::min(power_of_two_from(tiles_b), kMostThreadsB);
  int64_t threads_a = std::max<int64_t>(kBlock / threads_b, kWarp);
  while (threads_a > 1 && threads_a / 2 >= tiles / tiles_b &&
         threads_a / 2 * threads_b >= kLeastThreads)
    threads_a /= 2;
  return {"contraction",
          {{"axis_a", view.axis_a},
           {"axis_b", view.axis_b},
           {"tile_a", tile.a},
           {"tile_b", tile.b},
           {"threads_a", threads_a},
           {"threads_b", threads_b},
           {"parts", parts_of(view, tiles)},
           {"unroll", view.unroll},
           {"unroll_taps", view.unroll_taps}}};
}

// The threads of a block share the depth of few sums.
Schedule choose_matvec(const KernelView& kernel, const Node& node, const View& view) {
  const bool by_rows = node.attributes.flag("transpose_b");  // as the right operand lies
  const int64_t columns = by_rows ? 2 : 32;
  const int64_t threads =
      std::clamp<int64_t>(power_of_two_from(view.depth) / 4, 8, by_rows ? 128 : 8);
  const int64_t wide = std::max(columns, kLeastThreads / threads);
  const bool shuffles = size_of(node.types[0].dtype) <= 4;  // Halide 21 has none of eight bytes
  return {"matvec",
          {{"columns", wide},
           {"threads", threads},
           {"by_rows", by_rows},
           {"lanes", shuffles && by_rows && threads % kWarp == 0},
           {"element_threads", threads_for(kernel.results[0].type.count())}}};
}

// Halide's: products of few rows, tiles of threads, and what takes anything.
Schedule choose_cached(const KernelView& kernel) {
  constexpr int64_t kFewRows = 4;
  const Node* node = find_contraction(kernel.body);
  const bool fits = node && shares_positions(kernel, *node) && !has_reductions(kernel.body);
  if (!fits || node->types[0].rank() < 2)
    return {"contraction_plain", {{"threads", threads_for(kernel.results[0].type.count())}}};
  if (node->is(ops::conv)) return tiled(*node, view_of_conv(kernel, *node));
  const View view = view_of_matmul(kernel, *node);
  const Shape& result = node->types[0].shape;
  const int64_t rows = element_count(result) / result.back();
  if (rows <= kFewRows && view.depth > 1) return choose_matvec(kernel, *node, view);
  return tiled(*node, view);
}

}  // namespace

std::vector<Schedule> choose_cuda_contraction(const KernelView& kernel) {
  std::vector<Schedule> candidates;
  if (const auto view = GemmView::of(kernel.body, kernel.operands, kernel.results)) {
    if (const auto tile = choose_gemm_tile(*view)) candidates.push_back(tile->schedule());
  }
  candidates.push_back(choose_cached(kernel));
  return candidates;
}

}  // namespace ag
