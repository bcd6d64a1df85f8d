// Default schedules of Winograd's convolution.
#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/register_tile.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

// Transformed weights that stay in the second-level cache are read again for each block of rows,
// so that little else is kept there; those that do not are streamed as seldom as possible.
constexpr int64_t kNearWeights = kCaches.second * 5 / 8;
constexpr int64_t kSmallBlock = kCaches.second * 5 / 16, kLargeBlock = kCaches.second * 75 / 64;
constexpr int64_t kFewRows = 7;
constexpr double kSharedFlops = 2e6;

class WinogradChooser {
 public:
  WinogradChooser(const KernelView& kernel, const Node& node)
      : kernel_(kernel),
        node_(node),
        spec_(WinogradSpec::of(node.attributes)),
        inputs_(kernel.body.type(node.operands[1]).shape[1]),
        block_(kernel.results[0].type.layout.block_of(1)),
        blocks_((node.types[0].shape[1] + block_ - 1) / block_),
        tiles_x_(spec_.tiles(node.types[0].shape[3])),
        tiles_y_(spec_.tiles(node.types[0].shape[2])) {}

  Schedule choose() const {
    const int64_t group = divisors(blocks_, tiles_x_ * tiles_y_ > 64 ? 4 : 2).back();
    const int64_t rows = choose_rows(group);
    const Tile tile = choose_tile(group, rows);
    return {"conv_winograd",
            {{"output_tile", spec_.tile},
             {"rows", rows},
             {"group", group},
             {"tile_x", tile.x},
             {"tile_y", tile.y},
             {"tile_k", tile.k},
             {"unroll_epilogue", !is_costly_epilogue(kernel_.body)},
             {"parallel", choose_parallel(rows)}}};
  }

 private:
  struct Tile {
    int64_t x = 1, y = 1, k = 1;
    double cost = 1e30;
  };

  int64_t elements() const { return spec_.patch() * spec_.patch(); }

  int64_t choose_rows(int64_t group) const {
    const int64_t weights = elements() * inputs_ * blocks_ * block_ * 4;
    if (weights > kNearWeights && tiles_y_ <= kFewRows) return tiles_y_;
    const int64_t row = elements() * tiles_x_ * (inputs_ + group * block_) * 4;
    const int64_t most = weights > kNearWeights ? kLargeBlock : kSmallBlock;
    return tiles_y_ * row <= most ? tiles_y_ : 1;
  }

  Tile choose_tile(int64_t group, int64_t rows) const {
    const int64_t lanes = kernel_.target.lanes(4), vectors = (block_ + lanes - 1) / lanes;
    Tile best;
    for (int64_t k : divisors(group, 4)) {
      for (int64_t y : divisors(rows, 4)) {
        for (int64_t x = 1; x <= std::min<int64_t>(tiles_x_, 14); ++x) {
          TileStep step;
          step.multiply_adds = step.accumulators = static_cast<double>(x * y * k * vectors);
          step.vectors = static_cast<double>(k * vectors);
          step.broadcasts = static_cast<double>(x * y);
          step.used = used_part(tiles_x_, x);
          if (!fits_registers(kernel_.target, step.accumulators, step.vectors, false)) continue;
          const Tile tile{x, y, k, cost_of(step)};
          if (tile.cost < best.cost) best = tile;
        }
      }
    }
    return best;
  }

  int64_t choose_parallel(int64_t rows) const {
    const auto flops =
        static_cast<double>(node_.op->flops(node_, kernel_.body.operand_types(node_)));
    if (flops < kSharedFlops) return 0;
    return tiles_y_ / rows * node_.types[0].shape[0] > 1 ? 1 : 2;
  }

  const KernelView& kernel_;
  const Node& node_;
  WinogradSpec spec_;
  int64_t inputs_, block_, blocks_, tiles_x_, tiles_y_;
};

}  // namespace

Schedule choose_winograd(const KernelView& kernel) {
  for (int i = 0; i < kernel.body.size(); ++i) {
    const Node& node = kernel.body.node(i);
    if (!node.is(ops::winograd_conv)) continue;
    const bool blocked = kernel.results[0].type.layout.block_of(1) > 1;
    if (blocked) return WinogradChooser(kernel, node).choose();
  }
  return {"contraction_plain", {{"parallel", 1}}};
}

}  // namespace ag
