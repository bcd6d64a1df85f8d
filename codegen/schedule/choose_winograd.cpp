// Default schedules of Winograd's convolution.
#include <algorithm>

#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/register_tile.h"
#include "codegen/schedule/tasks.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

// Transformed weights that stay in the second-level cache are read again for each block of rows,
// so that little else is kept there; those that do not are read from afar by so many tiles at once
// that it does not matter.
constexpr int64_t kNearWeights = kCaches.second * 5 / 8, kSmallBlock = kCaches.second * 5 / 16;
constexpr int64_t kFarTiles = 64;
// Patches and products of one row of tiles in all frames of a block.
constexpr int64_t kFrameBytes = 4 * kCaches.second;
constexpr double kSharedFlops = 2e6;
constexpr int64_t kLeastTasks = 4;

class WinogradChooser {
 public:
  WinogradChooser(const KernelView& kernel, const Node& node)
      : kernel_(kernel),
        node_(node),
        out_(node.types[0].shape),
        weights_(kernel.body.type(node.operands[1]).shape),
        spec_(WinogradSpec::of(node)),
        y_axis_(spec_.spatial_rank() - 2),
        block_(kernel.results[0].type.layout.block_of(1)),
        blocks_((out_[1] + block_ - 1) / block_),
        tiles_x_(spec_.tiles(y_axis_ + 1, out_.back())),
        tiles_y_(spec_.tiles(y_axis_, out_[y_axis_ + 2])),
        spans_((out_[y_axis_ + 2] + spec_.span(y_axis_) - 1) / spec_.span(y_axis_)) {}

  Schedule choose() const {
    int64_t group = divisors(blocks_, tiles_x_ * tiles_y_ * all_frames() > 64 ? 4 : 2).back();
    Block block = choose_block(group);
    if (choose_parallel(block) == 2 && group == blocks_) {  // groups are the tasks: two at least
      group = divisors(blocks_, std::max<int64_t>(blocks_ / 2, 1)).back();
      block = choose_block(group);
    }
    const Tile tile = choose_tile(group, tile_rows(block.rows), block.images);
    Schedule schedule{"conv_winograd",
                      {{"output_tile", spec_.tile},
                       {"rows", block.rows},
                       {"group", group},
                       {"tile_x", tile.x},
                       {"tile_y", tile.y},
                       {"tile_k", tile.k},
                       {"unroll_epilogue", !is_costly_epilogue(kernel_.body)},
                       {"parallel", choose_parallel(block)}}};
    if (y_axis_ > 0) schedule.values["frames"] = block.frames;
    if (block.images > 1) {
      schedule.values["images"] = block.images;
      schedule.values["tile_n"] = tile.n;
    }
    return schedule;
  }

 private:
  struct Tile {
    int64_t x = 1, y = 1, k = 1, n = 1;
    double cost = 1e30;
  };
  // What is transformed at once: rows of tiles, of each phase, of some frames or images.
  struct Block {
    int64_t rows, frames, images = 1;
  };

  int64_t elements() const { return spec_.patch() * spec_.patch(); }
  int64_t all_frames() const { return y_axis_ > 0 ? out_[y_axis_ + 1] : 1; }
  int64_t tile_rows(int64_t rows) const {
    return rows == spans_ ? tiles_y_ : rows * spec_.dilation[y_axis_];
  }
  int64_t weight_bytes() const {
    return elements() * element_count(Shape(weights_.begin() + 1, weights_.end() - 2)) * blocks_ *
           block_ * 4;
  }

  // Small images that read their weights from memory share the reading.
  int64_t choose_images() const {
    if (y_axis_ > 0 || weight_bytes() <= kMemoryWeights) return 1;
    const int64_t most = std::min(out_[0] / kLeastTasks, kFarTiles / (tiles_x_ * tiles_y_));
    return divisors(out_[0], std::max<int64_t>(most, 1)).back();
  }

  Block choose_block(int64_t group) const {
    if (const int64_t images = choose_images(); images > 1) return {spans_, 1, images};
    const int64_t tile = elements() * (weights_[1] + group * block_) * 4;
    const int64_t row = tiles_x_ * tile_rows(1);
    const int64_t most = std::max<int64_t>(kFrameBytes / (tile * row), 1);
    const int64_t frames = y_axis_ > 0 ? divisors(out_[y_axis_ + 1], most).back() : 1;
    if (weight_bytes() > kNearWeights) return {rows_of_band(row * frames, frames), frames};
    return {tile * tiles_x_ * tiles_y_ * frames <= kSmallBlock ? spans_ : 1, frames};
  }

  // Rows of tiles, `row` tiles each, that read far weights at once: kFarTiles, or up to a quarter
  // less where such bands are shared more evenly by threads.
  int64_t rows_of_band(int64_t row, int64_t frames) const {
    const auto rows_for = [&](int64_t tiles) {
      return divisor_from(spans_, std::min((tiles + row - 1) / row, spans_));
    };
    int64_t best = rows_for(kFarTiles);
    for (int64_t rows : divisors(spans_, best)) {
      if (rows < rows_for(kFarTiles * 3 / 4)) continue;
      if (imbalance(rows, frames) < imbalance(best, frames)) best = rows;
    }
    return best;
  }

  double imbalance(int64_t rows, int64_t frames) const {
    const int64_t bands = spans_ / rows * all_frames() / frames * out_[0];
    return task_imbalance(bands, 1, static_cast<double>(bands));
  }

  // Takes a tile over one image or several where it is better.
  void consider(Tile tile, int64_t images, Tile& best) const {
    for (int64_t n : divisors(images, 14)) {
      tile.n = n;
      consider(tile, best);
    }
  }

  void consider(Tile tile, Tile& best) const {
    const int64_t lanes = kernel_.target.lanes(4), vectors = (block_ + lanes - 1) / lanes;
    TileStep step;
    step.multiply_adds = step.accumulators =
        static_cast<double>(tile.x * tile.y * tile.n * tile.k * vectors);
    step.vectors = static_cast<double>(tile.k * vectors);
    step.broadcasts = static_cast<double>(tile.x * tile.y * tile.n);
    step.used = used_part(tiles_x_, tile.x);
    if (!fits_registers(kernel_.target, step.accumulators, step.vectors, false)) return;
    tile.cost = cost_of(step);
    if (tile.cost < best.cost) best = tile;
  }

  Tile choose_tile(int64_t group, int64_t rows, int64_t images) const {
    Tile best;
    for (int64_t k : divisors(group, 4)) {
      for (int64_t y : divisors(rows, 4)) {
        for (int64_t x = 1; x <= std::min<int64_t>(tiles_x_, 14); ++x) {
          consider({x, y, k}, images, best);
        }
      }
    }
    return best;
  }

  int64_t choose_parallel(const Block& block) const {
    const auto flops =
        static_cast<double>(node_.op->flops(node_, kernel_.body.operand_types(node_)));
    if (flops < kSharedFlops) return 0;
    return spans_ / block.rows * all_frames() / block.frames * (out_[0] / block.images) > 1 ? 1 : 2;
  }

  const KernelView& kernel_;
  const Node& node_;
  const Shape &out_, &weights_;
  WinogradSpec spec_;
  int y_axis_;  // spatial
  int64_t block_, blocks_, tiles_x_, tiles_y_;
  int64_t spans_;  // rows of tiles of each phase
};

// Whether the channels of every operand that is stored are whole blocks, padding lanes included.
bool fills_blocks(const KernelView& kernel, const Node& node, int64_t block) {
  return std::all_of(node.operands.begin(), node.operands.end(), [&](Value operand) {
    const BufferForm* form = kernel.form_of(operand);
    if (!form) return true;
    const int64_t own = form->type.layout.block_of(1);
    return (form->type.shape[1] + own - 1) / own * own % block == 0;
  });
}

}  // namespace

Schedule choose_winograd(const KernelView& kernel) {
  for (int i = 0; i < kernel.body.size(); ++i) {
    const Node& node = kernel.body.node(i);
    if (!node.is(ops::winograd_conv)) continue;
    const int64_t block = kernel.results[0].type.layout.block_of(1);
    if (block > 1 && fills_blocks(kernel, node, block))
      return WinogradChooser(kernel, node).choose();
  }
  return {"contraction_plain", {{"parallel", 1}}};
}

}  // namespace ag
