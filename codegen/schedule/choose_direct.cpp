// Default schedules of convolutions, forward and backward-data, whose groups fill vectors.
#include <algorithm>

#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/direct_tile.h"
#include "codegen/schedule/register_tile.h"
#include "codegen/schedule/tasks.h"

namespace ag {
namespace {

// Far weights read by few positions are read in passes of about what the first-level cache keeps
// beside the sums.
constexpr int64_t kPassBytes = kCaches.first * 3 / 4;
// A tile reads as many streams as there are blocks of input channels. Where these are more than
// pages have places in the first-level tables, or than the streams that are fetched ahead, a line
// comes late, and blocks of half a line, AVX2's, lose the other half before the next tile comes.
// Passes of less than a small first-level cache then read less at a time. 1x1 to 512 channels at
// 32x32, part of the peak: on a Zen 1 from 2048 channels 40 %, in 8 passes 92 %; on a Zen 4, with
// whole lines, 63 % and in 16 passes 96 %.
constexpr int64_t kMostStreams = 64, kStreamPassBytes = 24 * 1024;
constexpr double kWorthPasses = 1.2;  // times the cost of the best tile, for one that divides
// Vectors of cold weights that are asked for ahead of the one that is read.
constexpr int64_t kPrefetchVectors = 16;
// Smaller weights that still left the first-level cache: the first tile of a panel waits for them,
// unless the tiles of the panel before, where there are few, ask for them.
constexpr int64_t kLeftWeights = kCaches.second / 16, kFewTiles = 64;
// Rows of inputs that all panels read before the next rows: a part of the second-level cache.
constexpr int64_t kRowsBytes = kCaches.second / 4;

class DirectChooser {
 public:
  explicit DirectChooser(const ConvView& conv) : view_(conv) {}

  Schedule choose() const {
    const bool tests_border = view_.conv.tests_border();  // which would stay in overlapping tiles
    int64_t phase = view_.phases();
    DirectTile best = choose_direct_tile(view_, phase, tests_border);
    if (best.cost == DirectTile::kImpossible) {  // no tile starts at one phase throughout
      phase = 1;
      best = choose_direct_tile(view_, phase);
    }
    if (reads_many_streams() && !best.divides(view_, phase)) {
      const DirectTile dividing = choose_direct_tile(view_, phase, true);
      const bool as_wide = dividing.k >= std::min<int64_t>(best.k, 2);
      if (as_wide && dividing.cost < best.cost * kWorthPasses) best = dividing;
    }
    const int64_t passes = choose_passes(best, phase);
    Schedule schedule{"conv_direct",
                      {{"tile_x", best.x},
                       {"tile_y", best.y},
                       {"tile_k", best.k},
                       {"unroll_taps", passes > 1 && phase == 1 ? 0 : best.unroll_taps},
                       {"phase", phase},
                       {"passes", passes},
                       {"unroll_epilogue", !is_costly_epilogue(view_.conv.kernel.body)},
                       {"task_rows", task_rows(best, phase, passes)}}};
    if (const int64_t tiles = task_columns(best); tiles > 0) {
      schedule.values["task_columns"] = tiles;
      if (has_columns_outside(best, tiles, passes)) schedule.values["rows_outside"] = 1;
    }
    if (const int64_t rows = rows_outside(best, phase, passes); rows > 0) {
      schedule.values["rows_outside"] = 1;
      schedule.values["task_rows"] = rows;
    }
    if (tests_border) schedule.values["tests_border"] = 1;
    if (best.span > 0) schedule.values["span_x"] = best.span;
    if (view_.splits_epilogue() && best.divides(view_, phase))
      schedule.values["split_epilogue"] = 1;
    if (has_blocks_outside(view_, best)) schedule.values["blocks_outside"] = 1;
    if (const int64_t ahead = vectors_ahead(best, phase, passes); ahead > 0)
      schedule.values["prefetch"] = ahead;
    return schedule;
  }

 private:
  bool reads_many_streams() const {
    const int64_t block = view_.input_block();
    if (block == 1 || view_.conv.spec.groups > 1) return false;
    const int64_t streams = view_.conv.extents.input / block;
    if (block * static_cast<int64_t>(size_of(view_.conv.node.types[0].dtype)) <
        DirectView::kCacheLine)
      return streams > kMostStreams;
    return streams >= kMostStreams && view_.has_far_image();
  }

  // How often the sum over input channels is interrupted, so that weights are read once from afar.
  int64_t choose_passes(const DirectTile& tile, int64_t phase) const {
    const int64_t block = view_.pass_block();
    if (block == 0) return 1;
    const bool reused = view_.width * view_.height > tile.x * tile.y * phase;
    const bool many_streams = reads_many_streams();
    if (!(view_.far_weights() || many_streams) || !tile.divides(view_, phase) || !reused) return 1;
    const int64_t blocks = view_.conv.extents.input / block;
    const int64_t panel = tile.k * view_.block * 4 * block * element_count(view_.conv.extents.rhs);
    const int64_t bytes = many_streams ? kStreamPassBytes : kPassBytes;
    return blocks / divisors(blocks, std::max<int64_t>(bytes / panel, 1)).back();
  }

  // How far ahead weights are asked for, in vectors; 0: not at all. Two tiles of a panel ask for
  // the stream that they read; more of them, of which all but the first would do so in vain, for
  // the next panel.
  int64_t vectors_ahead(const DirectTile& tile, int64_t phase, int64_t passes) const {
    if (view_.height % tile.y != 0) return view_.has_cold_weights() ? kPrefetchVectors : 0;
    const bool one_sweep = view_.has_one_tap() && phase == 1 && passes == 1;
    if (!view_.is_wide() || !one_sweep || view_.conv.spec.groups > 1) return 0;
    if (view_.weight_bytes() < kLeftWeights) return 0;
    const int64_t panel = view_.conv.form(1)->type.bytes() / view_.blocks * tile.k;
    const int64_t tiles = (view_.width + tile.x - 1) / tile.x * (view_.height / tile.y);
    const bool is_worth_it = tiles > 1 && tiles <= kFewTiles;
    return is_worth_it && panel <= kCaches.first ? panel / DirectView::kCacheLine : 0;
  }

  // Rows of a parallel task; 0 where the kernel is too small to share. Neighbouring tasks share a
  // panel of weights.
  int64_t task_rows(const DirectTile& tile, int64_t phase, int64_t passes) const {
    if (work() < kSharedWork) return 0;
    if (passes > 1) return view_.height;
    const int64_t rows = tile.y * phase, tiles = (view_.height + rows - 1) / rows;
    if (view_.height % tile.y != 0) return tiles * rows;  // two tiles of unequal rows
    const int64_t panels = view_.images * view_.conv.spec.groups * view_.blocks / tile.k;
    return units_per_task(panels, tiles, work(), view_.conv.wants_even_tasks()) * rows;
  }

  // Rows that all panels read before the next rows, because otherwise every panel would read the
  // image from beyond the second-level cache; 0 where that is less than reading weights again.
  int64_t rows_outside(const DirectTile& tile, int64_t phase, int64_t passes) const {
    const bool possible = view_.has_few_registers() && view_.conv.rank() == 4 && phase == 1 &&
                          passes == 1 && view_.height % tile.y == 0 &&
                          !view_.conv.wants_even_tasks();
    if (!possible || view_.conv.spec.groups > 1 || view_.image_bytes() <= kCaches.second / 2)
      return 0;
    const int64_t row_bytes = view_.image_bytes() / view_.height;
    const int64_t rows = std::max(kRowsBytes / row_bytes / tile.y, int64_t{1}) * tile.y;
    const int64_t panels = view_.blocks / tile.k, parts = (view_.height + rows - 1) / rows;
    const bool less =
        parts * view_.weight_bytes() + view_.image_bytes() < panels * view_.image_bytes();
    return less && rows < view_.height ? rows : 0;
  }

  // Whether all panels read the columns of a task before the next columns, for the same reason.
  bool has_columns_outside(const DirectTile& tile, int64_t tiles, int64_t passes) const {
    if (passes > 1 || view_.conv.spec.groups > 1 || view_.image_bytes() <= kCaches.second / 2)
      return false;
    const int64_t part = view_.image_bytes() / view_.width * tile.x * tiles;
    const int64_t panels = view_.blocks / tile.k, parts = view_.image_bytes() / part;
    return part <= kCaches.second / 2 && parts * view_.weight_bytes() < (panels - 1) * part * parts;
  }

  // Tiles of a parallel task along the one axis of positions; 0 where there are more axes.
  int64_t task_columns(const DirectTile& tile) const {
    const int64_t tiles = (view_.width + tile.x - 1) / tile.x;
    if (view_.conv.rank() != 3 || tiles == 1 || work() < kSharedWork) return 0;
    const int64_t panels = view_.images * view_.conv.spec.groups * view_.blocks / tile.k;
    const int64_t task = units_per_task(panels, tiles, work(), view_.conv.wants_even_tasks());
    return task < tiles ? task : 0;
  }

  // A convolution at few positions takes as long as its weights take to arrive.
  double work() const {
    return std::max(view_.conv.flops(), kWorkOfByte * static_cast<double>(view_.weight_bytes()));
  }

  const DirectView view_;
};

}  // namespace

Schedule choose_direct(const ConvView& conv) { return DirectChooser(conv).choose(); }

}  // namespace ag
