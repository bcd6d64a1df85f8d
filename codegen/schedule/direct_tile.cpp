#include "codegen/schedule/direct_tile.h"

#include <algorithm>
#include <vector>

#include "codegen/schedule/register_tile.h"

namespace ag {
namespace {

// Each row of a tile in each block of channels is a stretch of its own of an image that is no
// longer in the second-level cache: so many cycles until it flows.
constexpr double kStretchCycles = 8;
// Cold weights arrive so many bytes a cycle.
constexpr double kColdBytes = 5;
// Short sums have tiles of one block of output channels, one stream of results, which flows while
// the next tile is summed; 14 sums start early enough for it.
constexpr int64_t kShortSumTile = 14;
// Positions in a row that tiles of several widths share, each with code of its own.
constexpr int64_t kMostSpan = 16;
// AVX2's tiles of few vectors of channels read their inputs often, two positions to a cache line:
// cycles that one costs where the first-level cache does not keep them.
constexpr double kNearInput = 0.1;

class TileChooser {
 public:
  explicit TileChooser(const DirectView& view) : view_(view) {}

  DirectTile choose(int64_t phase, bool only_dividing) const {
    DirectTile best;
    for (int64_t k : divisors(view_.blocks, view_.has_short_sums() ? 1 : 4)) {
      for (int64_t x = 1; x <= std::min<int64_t>(view_.width, 32); ++x) {
        for (int64_t y : rows_of_tiles(phase)) {
          for (int64_t span : spans(x, y, phase)) {
            const DirectTile tile{x, y, k, span};
            if (!only_dividing || tile.divides(view_, phase)) consider(tile, phase, best);
          }
        }
      }
    }
    return best;
  }

 private:
  // Spans that tiles of x columns do not divide: parts of a row, or all of a short one.
  std::vector<int64_t> spans(int64_t x, int64_t y, int64_t phase) const {
    std::vector<int64_t> all{0};
    if (!view_.has_few_registers() || phase > 1 || view_.conv.rank() < 4 || view_.height % y != 0 ||
        view_.width % x == 0 || kept() > 0) {
      return all;
    }
    for (int64_t span = x + 1; span <= std::min(view_.width, kMostSpan); ++span) {
      if (span % x != 0 && (view_.width <= kMostSpan || view_.width % span == 0))
        all.push_back(span);
    }
    return all;
  }

  // Widths of the tiles of a row.
  std::vector<int64_t> widths(const DirectTile& tile) const {
    std::vector<int64_t> all;
    for (int64_t from = 0; from < view_.width; from += tile.span) {
      const int64_t end = std::min(from + tile.span, view_.width);
      for (int64_t x = from; x < end; x += tile.x) all.push_back(std::min(tile.x, end - x));
    }
    return all;
  }

  // Rows that divide the height, and those of which two tiles cover it, as 4 and 3 of 7. Passes
  // want tiles of equal rows.
  std::vector<int64_t> rows_of_tiles(int64_t phase) const {
    if (phase > 1) return {1};
    constexpr int64_t kMost = 4;
    std::vector<int64_t> rows = divisors(view_.height, kMost);
    if (!view_.has_one_tap() || view_.splits_epilogue()) return rows;
    for (int64_t y = view_.height / 2 + 1; y <= kMost && y < view_.height; ++y) rows.push_back(y);
    return rows;
  }

  void consider(DirectTile tile, int64_t phase, DirectTile& best) const {
    if (phase > 1 && (view_.width % tile.x != 0 || (tile.x < view_.width && tile.x % phase != 0)))
      return;
    const int last = static_cast<int>(view_.conv.spec.stride.size()) - 1;
    const int64_t taps_x = view_.conv.extents.rhs[last];
    const bool may_share = taps_x > 1 && taps_x <= 7;
    const int64_t most = phase > 1 ? 2 : may_share ? 1 : 0;
    for (int64_t unroll : {most, int64_t{0}}) {
      if (unroll == 0 && (phase > 1)) break;
      tile.unroll_taps = unroll;
      const bool one_tap = phase > 1 && view_.far_weights();  // a step is one tap of one phase
      const int64_t taps = unroll == 0 ? 1 : taps_x;
      const TileStep step = one_tap ? tap_step(tile, phase) : tile_step(tile, taps, phase);
      const bool shares = unroll > 0 && !one_tap;
      if (!fits(tile, step, shares)) continue;
      tile.cost = tile.span > 0                ? cost_of_widths(tile, taps)
                  : view_.height % tile.y == 0 ? cost_of(step)
                                               : cost_of_two(tile, taps);
      // Between equals the flatter tile: its rows are fewer streams of memory.
      const bool flatter = tile.cost == best.cost && tile.k == best.k && tile.y < best.y;
      if (tile.cost < best.cost || flatter) best = tile;
    }
  }

  // Whether a tile stays in registers.
  bool fits(const DirectTile& tile, const TileStep& step, bool shares) const {
    if (view_.has_short_sums() && step.accumulators > kShortSumTile) return false;
    const double sums = step.accumulators + static_cast<double>(kept());
    // All inputs of a step beside one vector of weights, or all of these beside one input.
    const double vectors = has_blocks_outside(view_, tile) ? step.broadcasts : step.vectors;
    return fits_registers(view_.conv.kernel.target, sums, vectors, shares);
  }

  // LLVM moves one constant of a long epilogue in front of the loops over the sum.
  int64_t kept() const {
    const bool beside = is_costly_epilogue(view_.conv.kernel.body) && !view_.splits_epilogue();
    return view_.has_few_registers() && beside ? 1 : 0;
  }

  // Of the tiles of a row.
  double cost_of_widths(const DirectTile& tile, int64_t taps) const {
    double cycles = 0;
    for (int64_t width : widths(tile)) {
      TileStep step = tile_step({width, tile.y, tile.k}, taps, 1);
      step.used = 1;
      cycles += cost_of(step) * static_cast<double>(width);
    }
    return cycles / static_cast<double>(view_.width);
  }

  // Of a tile and the lower one that covers the rest of the height.
  double cost_of_two(const DirectTile& tile, int64_t taps) const {
    double cycles = 0;
    for (int64_t rows : {tile.y, view_.height - tile.y}) {
      TileStep step = tile_step({tile.x, rows, tile.k}, taps, 1);
      step.used = used_part(view_.width, tile.x);
      step.far = wait_for_weights(step, tile) + wait_for_inputs(tile, step);
      cycles += cost_of(step) * static_cast<double>(rows);
    }
    return cycles / static_cast<double>(view_.height);
  }

  // Of far weights read in one stream (see passes): a tap meets one position in `phase`.
  TileStep tap_step(const DirectTile& tile, int64_t phase) const {
    TileStep step;
    step.accumulators = static_cast<double>(tile.x * tile.y * tile.k * view_.vectors);
    step.multiply_adds = step.accumulators / static_cast<double>(phase);
    step.vectors = static_cast<double>(tile.k * view_.vectors);
    step.broadcasts = static_cast<double>(tile.x * tile.y) / static_cast<double>(phase);
    step.used = used_part(view_.width, tile.x) * used_part(view_.height, tile.y);
    return step;
  }

  TileStep tile_step(const DirectTile& tile, int64_t taps_x, int64_t phase) const {
    const int last = static_cast<int>(view_.conv.spec.stride.size()) - 1;
    const int64_t accumulators = tile.x * tile.y * tile.k * view_.vectors;
    const int64_t hits = std::max<int64_t>(1, taps_x / phase);  // taps that meet an element
    const int64_t inputs =
        tile.y * (phase > 1 ? tile.x / phase + 1
                            : distinct_inputs(tile.x, view_.conv.spec.stride[last], taps_x,
                                              view_.conv.spec.rhs_dilation[last]));
    TileStep step;
    step.multiply_adds = static_cast<double>(accumulators * hits);
    step.chain = static_cast<double>(hits);
    step.vectors = static_cast<double>(tile.k * view_.vectors * taps_x);
    step.broadcasts = static_cast<double>(inputs);
    step.accumulators = static_cast<double>(accumulators);
    step.used = used_part(view_.width, tile.x) * used_part(view_.height, tile.y);
    if (phase == 1) step.far = wait_for_weights(step, tile) + wait_for_inputs(tile, step);
    return step;
  }

  // The first tile of a panel waits for its weights, the others find them near; the mean. The
  // weights of several taps are read in passes, in one stream.
  double wait_for_weights(const TileStep& step, const DirectTile& tile) const {
    if (!view_.has_cold_weights() || !view_.has_one_tap()) return 0;
    int64_t tiles = (view_.width + tile.x - 1) / tile.x * ((view_.height + tile.y - 1) / tile.y);
    if (view_.weight_bytes() < kFarWeights) tiles *= view_.images;  // they stay for the next image
    const double bytes =
        step.vectors / static_cast<double>(view_.vectors) * static_cast<double>(view_.block) * 4;
    return std::max(0.0, bytes / kColdBytes - step.multiply_adds / 2) / static_cast<double>(tiles);
  }

  // For each stretch of a far image, of which a step is one channel; of a near one for each input.
  double wait_for_inputs(const DirectTile& tile, const TileStep& step) const {
    double cycles = 0;
    if (view_.has_one_tap() && view_.has_far_image())
      cycles +=
          kStretchCycles * static_cast<double>(tile.y) / static_cast<double>(view_.input_block());
    if (view_.has_few_registers() && view_.image_bytes() > kCaches.first / 2)
      cycles += kNearInput * step.broadcasts;
    return cycles;
  }

  const DirectView& view_;
};

}  // namespace

bool has_blocks_outside(const DirectView& view, const DirectTile& tile) {
  return view.has_few_registers() && tile.unroll_taps == 0 &&
         tile.k * view.vectors > tile.x * tile.y;
}

DirectTile choose_direct_tile(const DirectView& view, int64_t phase, bool only_dividing) {
  return TileChooser(view).choose(phase, only_dividing);
}

}  // namespace ag
