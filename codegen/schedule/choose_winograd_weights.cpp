// Default schedules of Winograd's gradient towards weights.
#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/register_tile.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

// Transformed tiles of a block; but so many tiles that reading and writing the sums weighs little,
// and so few that one element of all of them stays close.
constexpr int64_t kBlockBytes = kCaches.second;
constexpr int64_t kLeastTiles = 32, kMostTiles = 128;
// Panels of output channels: wide enough that transforming the inputs for each weighs little.
constexpr int64_t kPanelBlocks = 4, kLeastPanels = 4;
// Partial sums, all together.
constexpr int64_t kPartialBytes = 8 * kCaches.second;
constexpr int64_t kMostTasks = 8;

class WinogradWeightsChooser {
 public:
  WinogradWeightsChooser(const KernelView& kernel, const Node& node, int64_t input_block,
                         int64_t output_block)
      : kernel_(kernel),
        node_(node),
        spec_(WinogradSpec::of(node)),
        input_block_(input_block),
        output_block_(output_block),
        inputs_(blocks(node.types[0].shape[1], input_block)),
        outputs_(blocks(node.types[0].shape[0], output_block)) {
    const Shape& dy = kernel.body.type(node.operands[1]).shape;
    tiles_ = dy[0] * spec_.tiles(0, dy[2]) * spec_.tiles(1, dy[3]);
  }

  Schedule choose() const {
    const auto flops =
        static_cast<double>(node_.op->flops(node_, kernel_.body.operand_types(node_)));
    const bool shared = flops >= 2 * kTaskFlops;
    int64_t group = divisors(outputs_, kPanelBlocks).back(), tasks = 1;
    if (shared && outputs_ / group < kLeastPanels) tasks = partial_sums();
    if (tasks > 1) group = outputs_;
    const Tile tile = choose_tile(group);
    return {"conv_winograd_weights",
            {{"output_tile", spec_.tile},
             {"tiles", choose_block(group, tiles_ / tasks)},
             {"tile_i", tile.i},
             {"tile_k", tile.k},
             {"group", group},
             {"tasks", tasks},
             {"parallel", shared}}};
  }

 private:
  struct Tile {
    int64_t i = 1, k = 1;
    double cost = 1e30;
  };

  static int64_t blocks(int64_t channels, int64_t block) { return (channels + block - 1) / block; }
  int64_t element_bytes(int64_t channels) const {
    return spec_.patch() * spec_.patch() * channels * 4;
  }

  int64_t partial_sums() const {
    const int64_t bytes = element_bytes(inputs_ * input_block_ * outputs_ * output_block_);
    const int64_t most = std::min({kMostTasks, kPartialBytes / bytes, tiles_ / kLeastTiles});
    return divisors(tiles_, std::max<int64_t>(most, 1)).back();
  }

  int64_t choose_block(int64_t group, int64_t tiles) const {
    const int64_t tile = element_bytes(inputs_ * input_block_ + group * output_block_);
    const int64_t most = std::clamp(kBlockBytes / tile, kLeastTiles, kMostTiles);
    const int64_t below = divisors(tiles, most).back();
    return 2 * below >= kLeastTiles ? below : divisor_from(tiles, kLeastTiles);
  }

  Tile choose_tile(int64_t group) const {
    const int64_t lanes = kernel_.target.lanes(4), vectors = blocks(output_block_, lanes);
    Tile best;
    for (int64_t k : divisors(group, 4)) {
      for (int64_t i : divisors(input_block_, 16)) {
        TileStep step;
        step.multiply_adds = step.accumulators = static_cast<double>(i * k * vectors);
        step.vectors = static_cast<double>(k * vectors);
        step.broadcasts = static_cast<double>(i);
        if (!fits_registers(kernel_.target, step.accumulators, step.vectors, false)) continue;
        const Tile tile{i, k, cost_of(step)};
        if (tile.cost < best.cost) best = tile;
      }
    }
    return best;
  }

  const KernelView& kernel_;
  const Node& node_;
  WinogradSpec spec_;
  int64_t input_block_, output_block_, inputs_, outputs_;  // inputs_, outputs_: blocks
  int64_t tiles_ = 0;
};

int64_t channel_block_of(const KernelView& kernel, Value operand) {
  const BufferForm* form = kernel.form_of(operand);
  return form ? form->type.layout.block_of(1) : 1;
}

}  // namespace

Schedule choose_winograd_weights(const KernelView& kernel) {
  for (int i = 0; i < kernel.body.size(); ++i) {
    const Node& node = kernel.body.node(i);
    if (!node.is(ops::winograd_backward_weights)) continue;
    const int64_t input = channel_block_of(kernel, node.operands[0]);
    const int64_t output = channel_block_of(kernel, node.operands[1]);
    if (input > 1 && output > 1)
      return WinogradWeightsChooser(kernel, node, input, output).choose();
  }
  return {"contraction_plain", {{"parallel", 1}}};
}

}  // namespace ag
