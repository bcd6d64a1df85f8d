#include "codegen/schedule/algorithm_model.h"

#include <cmath>

#include "codegen/schedule/caches.h"
#include "codegen/schedule/conv_view.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

// Vector multiply-adds a cycle, and the part of them that the kernels reach.
constexpr double kPerCycle = 2, kDirectPart = 0.95, kWinogradPart = 0.85;
// Far weights: bytes a cycle, and the part that nothing hides.
constexpr double kWeightBytesPerCycle = 4, kExposed = 0.7;
// Tiles of small images that share one reading of weights that no cache keeps.
constexpr double kSharedTiles = 64;
// Cycles that an element of transformed weights costs a run which transforms them: it is written.
constexpr double kTransformed = 1;
// Of backward-weights: tiles that are summed at once, blocks of output channels that share
// transformed inputs, and bytes of sums that are read or written in a cycle.
constexpr double kBlockTiles = 64, kPanelBlocks = 4, kSumBytesPerCycle = 8;
// What must be gained for a less exact result.
constexpr double kLeastGain = 1.1;

struct TileCost {
  int64_t tile;
  double input, output;  // cycles to transform one vector of channels of one tile
};
constexpr TileCost kTiles[] = {{2, 45, 30}, {4, 110, 85}};

struct Work {
  double images, batch;  // batch: of images, those of a video too
  double inputs, outputs;
  double taps;      // 3x3 windows a result sums: those of a video that meet an image
  double all_taps;  // those with weights
  int64_t height, width;
  int64_t dilation[2];
  double lanes;
  bool cold;  // every layer's weights come from afar, because the network's others evict them

  // Of weights that `times` blocks of tiles read one after the other.
  double streaming(double weights, double times) const {
    const double bytes = weights * all_taps * inputs * outputs * 4;
    if (!cold && bytes <= kFarWeights) return 0;
    const double readings = bytes > static_cast<double>(kMemoryWeights) ? times : 1;
    return readings * kExposed * bytes / kWeightBytesPerCycle;
  }
  // How often weights are read that no cache keeps: at least by four tasks, by an image once. Those
  // of videos are not shared.
  double far_readings(double tiles) const {
    constexpr double kLeastTasks = 4;
    if (batch > images) return images;
    return std::min(images, std::max(std::ceil(tiles / kSharedTiles), kLeastTasks));
  }
  double direct() const {
    const double multiply_adds =
        9 * taps * batch * inputs * outputs * static_cast<double>(height * width) / lanes;
    return multiply_adds / (kPerCycle * kDirectPart) + streaming(9, 1);
  }
  double transform(const TileCost& cost) const {
    const auto patch = static_cast<double>(cost.tile + 2);
    return kTransformed * patch * patch * all_taps * inputs * outputs;
  }
  double winograd(const TileCost& cost) const {
    const WinogradSpec spec{cost.tile, {0, 0}, {0, 0}, {dilation[0], dilation[1]}};
    const double tiles = batch * static_cast<double>(spec.tiles(0, height) * spec.tiles(1, width));
    const auto elements = static_cast<double>(spec.patch() * spec.patch());
    return tiles * elements * taps * inputs * outputs / (lanes * kPerCycle * kWinogradPart) +
           tiles * (inputs * cost.input + outputs * cost.output) / lanes +
           streaming(elements, far_readings(tiles));
  }
};

// Of a gradient towards weights.
struct WeightsWork {
  double images, inputs, outputs;
  int64_t height, width;
  double lanes;

  double pairs() const { return inputs * outputs; }
  double direct() const {
    const auto positions = static_cast<double>(height * width);
    return 9 * images * positions * pairs() / lanes / (kPerCycle * kDirectPart);
  }
  // Sums are read and written for each block of tiles, and read to be transformed.
  double winograd(const TileCost& cost) const {
    const WinogradSpec spec{cost.tile, {0, 0}, {0, 0}, {1, 1}};
    const double tiles = images * static_cast<double>(spec.tiles(0, height) * spec.tiles(1, width));
    const auto elements = static_cast<double>(spec.patch() * spec.patch());
    const double sweeps = 1 + 2 * std::ceil(tiles / kBlockTiles);
    const double panels = std::ceil(outputs / lanes / kPanelBlocks);
    return tiles * elements * pairs() / (lanes * kPerCycle * kWinogradPart) +
           tiles * (panels * inputs * cost.input + outputs * cost.output) / lanes +
           sweeps * elements * pairs() * 4 / kSumBytesPerCycle;
  }
};

// Whether the weights are more than a third-level cache keeps for one network.
bool is_large(const Graph& graph) {
  int64_t bytes = 0;
  for (Value leaf : graph.leaves(ops::parameter)) {
    bytes += graph.type(leaf).count() * static_cast<int64_t>(size_of(graph.type(leaf).dtype));
  }
  return bytes > kCaches.third;
}

}  // namespace

int64_t CpuAlgorithmModel::winograd_tile(const Graph& graph, const Node& conv,
                                         bool prepared) const {
  const Shape &in = graph.type(conv.operands[0]).shape, &out = conv.types[0].shape,
              &weights = graph.type(conv.operands[1]).shape;
  const int64_t lanes = target_.lanes(4);
  if (in[1] < lanes || out[1] < lanes) return 0;
  auto whole = [&](int64_t channels) {
    return static_cast<double>((channels + lanes - 1) / lanes * lanes);
  };
  const ConvSpec spec = ConvSpec::of(conv);
  const ConvExtents extents(spec, in, weights, out);
  const int front = spec.spatial_rank() - 2;
  Work work{static_cast<double>(out[0]),
            static_cast<double>(out[0]),
            whole(in[1]),
            whole(out[1]),
            1,
            1,
            out[front + 2],
            out[front + 3],
            {spec.rhs_dilation[front], spec.rhs_dilation[front + 1]},
            static_cast<double>(lanes),
            is_large(graph)};
  for (int axis = 0; axis < front; ++axis) {
    work.batch *= static_cast<double>(out[axis + 2]);
    const auto taps = static_cast<double>(weights[axis + 2]);
    work.taps *= taps * used_taps(spec, extents, axis);
    work.all_taps *= taps;
  }
  double least = work.direct() / kLeastGain;
  int64_t tile = 0;
  for (const TileCost& cost : kTiles) {
    const double cycles = work.winograd(cost) + (prepared ? 0 : work.transform(cost));
    if (cycles >= least) continue;
    least = cycles;
    tile = cost.tile;
  }
  return tile;
}

int64_t CpuAlgorithmModel::winograd_weights_tile(const Graph& graph, const Node& conv) const {
  const Shape &x = graph.type(conv.operands[0]).shape, &dy = graph.type(conv.operands[1]).shape;
  const int64_t lanes = target_.lanes(4);
  if (x[1] < lanes || dy[1] < lanes) return 0;
  auto whole = [&](int64_t channels) {
    return static_cast<double>((channels + lanes - 1) / lanes * lanes);
  };
  const WeightsWork work{static_cast<double>(dy[0]), whole(x[1]), whole(dy[1]), dy[2], dy[3],
                         static_cast<double>(lanes)};
  double least = work.direct() / kLeastGain;
  int64_t tile = 0;
  for (const TileCost& cost : kTiles) {
    const double cycles = work.winograd(cost);
    if (cycles >= least) continue;
    least = cycles;
    tile = cost.tile;
  }
  return tile;
}

}  // namespace ag
