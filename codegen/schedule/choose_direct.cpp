// Default schedules of convolutions, forward and backward-data, whose groups fill vectors.
#include <algorithm>
#include <vector>

#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/register_tile.h"
#include "codegen/schedule/tasks.h"

namespace ag {
namespace {

constexpr double kImpossible = 1e30;
// Far weights read by few positions are read in passes of about what the first-level cache keeps
// beside the sums.
constexpr int64_t kFewPositions = 256;
constexpr int64_t kPassBytes = kCaches.first * 3 / 4;
// A tile reads as many streams as there are blocks of input channels. Where these are more than
// pages have places in the first-level tables, or than the streams that are fetched ahead, a line
// comes late, and blocks of half a line, AVX2's, lose the other half before the next tile comes.
// Passes of less than a small first-level cache then read less at a time. 1x1 to 512 channels at
// 32x32, part of the peak: on a Zen 1 from 2048 channels 40 %, in 8 passes 92 %; on a Zen 4, with
// whole lines, 63 % and in 16 passes 96 %.
constexpr int64_t kCacheLine = 64, kMostStreams = 64, kStreamPassBytes = 24 * 1024;
// Each row of a tile in each block of channels is a stretch of its own of an image that is no
// longer in the second-level cache: so many cycles until it flows.
constexpr double kStretchCycles = 8;
constexpr double kWorthPasses = 1.2;  // times the cost of the best tile, for one that divides
// Weights of more bytes are no longer in the second-level cache when a network comes back to them,
// and arrive so many bytes a cycle.
constexpr int64_t kColdWeights = kCaches.second / 4;
constexpr double kColdBytes = 5;
constexpr int64_t kPrefetchVectors = 16;

// 1x1 sums over few channels end often. One block of output channels is one stream of results,
// which flows while the next tile is summed; 14 sums start early enough for it. Images of few
// positions read weights too often so.
constexpr int64_t kShortSum = 144, kShortSumTile = 14, kShortSumPositions = 128;

// Positions in a row that tiles of several widths share, each with code of its own.
constexpr int64_t kMostSpan = 16;
// AVX2's tiles of few vectors of channels read their inputs often, two positions to a cache line:
// cycles that one costs where the first-level cache does not keep them.
constexpr double kNearInput = 0.1;
// Rows of inputs that all panels read before the next rows: a part of the second-level cache.
constexpr int64_t kRowsBytes = kCaches.second / 4;

struct DirectTile {
  int64_t x = 1, y = 1, k = 1;
  int64_t span = 0;  // columns that tiles of x columns and a narrower one cover; 0: tiles overlap
  int64_t unroll_taps = 0;
  double cost = kImpossible;
};

class DirectChooser {
 public:
  explicit DirectChooser(const ConvView& conv)
      : conv_(conv),
        block_(conv.kernel.results[0].type.layout.block_of(conv.spec.dims.out_channel)),
        vectors_(conv.registers_of(block_)),
        blocks_((conv.extents.output + block_ - 1) / block_),
        width_(conv.result().back()),
        height_(conv.rank() > 3 ? conv.result()[conv.rank() - 2] : 1),
        images_(conv.node.types[0].count() /
                (width_ * height_ * conv.result()[conv.spec.dims.out_channel])) {}

  Schedule choose() const {
    int64_t phase = phases();
    DirectTile best = best_tile(phase);
    if (best.cost == kImpossible) {  // no tile starts at one phase throughout
      phase = 1;
      best = best_tile(phase);
    }
    if (reads_many_streams() && !divides(best, phase)) {
      const DirectTile dividing = best_tile(phase, true);
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
                       {"unroll_epilogue", !is_costly_epilogue(conv_.kernel.body)},
                       {"task_rows", task_rows(best, phase, passes)}}};
    if (const int64_t tiles = task_columns(best); tiles > 0)
      schedule.values["task_columns"] = tiles;
    if (const int64_t rows = rows_outside(best, phase, passes); rows > 0) {
      schedule.values["rows_outside"] = 1;
      schedule.values["task_rows"] = rows;
    }
    if (best.span > 0) schedule.values["span_x"] = best.span;
    if (splits_epilogue() && divides(best, phase)) schedule.values["split_epilogue"] = 1;
    if (has_blocks_outside(best)) schedule.values["blocks_outside"] = 1;
    // Where more tiles read a panel, all but the first would ask in vain.
    if (height_ % best.y != 0 && weight_bytes() > kColdWeights) {
      schedule.values["prefetch"] = kPrefetchVectors;
    }
    return schedule;
  }

 private:
  DirectTile best_tile(int64_t phase, bool only_dividing = false) const {
    DirectTile best;
    for (int64_t k : divisors(blocks_, has_short_sums() ? 1 : 4)) {
      for (int64_t x = 1; x <= std::min<int64_t>(width_, 32); ++x) {
        for (int64_t y : rows_of_tiles(phase)) {
          for (int64_t span : spans(x, y, phase)) {
            const DirectTile tile{x, y, k, span};
            if (!only_dividing || divides(tile, phase)) consider(tile, phase, best);
          }
        }
      }
    }
    return best;
  }

  bool divides(const DirectTile& tile, int64_t phase) const {
    return (tile.span > 0 || width_ % tile.x == 0) && height_ % (tile.y * phase) == 0;
  }

  // 16 registers hold 12 to 14 sums: few tiles of a row that divide it are near to that.
  bool has_few_registers() const {
    const Target& target = conv_.kernel.target;
    return target.vector_bytes == kCacheLine / 2 && target.vector_registers <= 16;
  }

  // Spans that tiles of x columns do not divide: parts of a row, or all of a short one.
  std::vector<int64_t> spans(int64_t x, int64_t y, int64_t phase) const {
    std::vector<int64_t> all{0};
    if (!has_few_registers() || phase > 1 || conv_.rank() < 4 || height_ % y != 0 ||
        width_ % x == 0 || kept() > 0) {
      return all;
    }
    for (int64_t span = x + 1; span <= std::min(width_, kMostSpan); ++span) {
      if (span % x != 0 && (width_ <= kMostSpan || width_ % span == 0)) all.push_back(span);
    }
    return all;
  }

  // Widths of the tiles of a row.
  std::vector<int64_t> widths(const DirectTile& tile) const {
    std::vector<int64_t> all;
    for (int64_t from = 0; from < width_; from += tile.span) {
      const int64_t end = std::min(from + tile.span, width_);
      for (int64_t x = from; x < end; x += tile.x) all.push_back(std::min(tile.x, end - x));
    }
    return all;
  }

  // Channels that lie side by side; 1 without blocks.
  int64_t input_block() const {
    const BufferForm* inputs = conv_.form(0);
    return inputs ? inputs->type.layout.block_of(conv_.spec.dims.lhs_channel) : 1;
  }

  int64_t input_bytes() const { return conv_.kernel.body.type(conv_.node.operands[0]).bytes(); }

  // Of one image, and group.
  int64_t image_bytes() const { return input_bytes() / images_ / conv_.spec.groups; }

  bool has_far_image() const { return input_bytes() > images_ * kCaches.second; }

  bool reads_many_streams() const {
    const int64_t block = input_block();
    if (block == 1 || conv_.spec.groups > 1) return false;
    const int64_t streams = conv_.extents.input / block;
    if (block * static_cast<int64_t>(size_of(conv_.node.types[0].dtype)) < kCacheLine)
      return streams > kMostStreams;
    return streams >= kMostStreams && has_far_image();
  }

  bool has_short_sums() const {
    const bool is_wide = conv_.kernel.target.vector_bytes == kCacheLine;
    return is_wide && has_one_tap() && conv_.spec.groups == 1 && conv_.extents.input <= kShortSum &&
           width_ * height_ >= kShortSumPositions;
  }

  bool has_one_tap() const { return element_count(conv_.extents.rhs) == 1; }

  // Rows that divide the height, and those of which two tiles cover it, as 4 and 3 of 7. Passes
  // want tiles of equal rows.
  std::vector<int64_t> rows_of_tiles(int64_t phase) const {
    if (phase > 1) return {1};
    constexpr int64_t kMost = 4;
    std::vector<int64_t> rows = divisors(height_, kMost);
    if (!has_one_tap() || splits_epilogue()) return rows;
    for (int64_t y = height_ / 2 + 1; y <= kMost && y < height_; ++y) rows.push_back(y);
    return rows;
  }

  // Of input channels that a sum in memory can be interrupted after; 0: it cannot.
  int64_t pass_block() const {
    const BufferForm* weights = conv_.form(1);
    const BufferForm* inputs = conv_.form(0);
    if (conv_.spec.groups > 1 || conv_.rank() < 4 || !weights || !inputs) return 0;
    const int64_t block = weights->type.layout.block_of(conv_.spec.dims.rhs_input);
    const bool blocked = block > 1 && inputs->type.layout.block_of(conv_.spec.dims.lhs_channel) > 1;
    return blocked && conv_.extents.input % block == 0 ? block : 0;
  }

  // Whether a row's sums wait in memory for an epilogue whose constants need registers themselves.
  bool splits_epilogue() const {
    return has_few_registers() && is_costly_epilogue(conv_.kernel.body) && conv_.rank() == 4 &&
           phases() == 1 && !conv_.sums_result() && pass_block() > 0 &&
           conv_.extents.input > pass_block();
  }

  // How often the sum over input channels is interrupted, so that weights are read once from afar.
  int64_t choose_passes(const DirectTile& tile, int64_t phase) const {
    const int64_t block = pass_block();
    if (block == 0) return 1;
    const bool reused = width_ * height_ > tile.x * tile.y * phase;
    const bool many_streams = reads_many_streams();
    if (!(far_weights() || many_streams) || !divides(tile, phase) || !reused) return 1;
    const int64_t blocks = conv_.extents.input / block;
    const int64_t panel = tile.k * block_ * 4 * block * element_count(conv_.extents.rhs);
    const int64_t bytes = many_streams ? kStreamPassBytes : kPassBytes;
    return blocks / divisors(blocks, std::max<int64_t>(bytes / panel, 1)).back();
  }

  int64_t weight_bytes() const {
    const BufferForm* weights = conv_.form(1);
    return weights ? weights->type.count() * 4 : 0;
  }

  // Weights from beyond the second-level cache that few positions share.
  bool far_weights() const {
    return weight_bytes() >= kFarWeights && width_ * height_ <= kFewPositions;
  }

  int64_t phases() const {
    if (conv_.rank() != 4) return 1;
    return std::max(conv_.spec.lhs_dilation[0], conv_.spec.lhs_dilation[1]);
  }

  void consider(DirectTile tile, int64_t phase, DirectTile& best) const {
    if (phase > 1 && (width_ % tile.x != 0 || (tile.x < width_ && tile.x % phase != 0))) return;
    const int last = static_cast<int>(conv_.spec.stride.size()) - 1;
    const int64_t taps_x = conv_.extents.rhs[last];
    const bool may_share = taps_x > 1 && taps_x <= 7;
    const int64_t most = phase > 1 ? 2 : may_share ? 1 : 0;
    for (int64_t unroll : {most, int64_t{0}}) {
      if (unroll == 0 && (phase > 1)) break;
      tile.unroll_taps = unroll;
      const bool one_tap = phase > 1 && far_weights();  // a step is one tap of one phase
      const int64_t taps = unroll == 0 ? 1 : taps_x;
      const TileStep step = one_tap ? tap_step(tile, phase) : tile_step(tile, taps, phase);
      const bool shares = unroll > 0 && !one_tap;
      if (!fits(tile, step, shares)) continue;
      tile.cost = tile.span > 0           ? cost_of_widths(tile, taps)
                  : height_ % tile.y == 0 ? cost_of(step)
                                          : cost_of_two(tile, taps);
      // Between equals the flatter tile: its rows are fewer streams of memory.
      const bool flatter = tile.cost == best.cost && tile.k == best.k && tile.y < best.y;
      if (tile.cost < best.cost || flatter) best = tile;
    }
  }

  // Whether a tile stays in registers.
  bool fits(const DirectTile& tile, const TileStep& step, bool shares) const {
    if (has_short_sums() && step.accumulators > kShortSumTile) return false;
    const double sums = step.accumulators + static_cast<double>(kept());
    // All inputs of a step beside one vector of weights, or all of these beside one input.
    const double vectors = has_blocks_outside(tile) ? step.broadcasts : step.vectors;
    return fits_registers(conv_.kernel.target, sums, vectors, shares);
  }

  // LLVM moves one constant of a long epilogue in front of the loops over the sum.
  int64_t kept() const {
    const bool beside = is_costly_epilogue(conv_.kernel.body) && !splits_epilogue();
    return has_few_registers() && beside ? 1 : 0;
  }

  // Where there are fewer inputs than vectors of weights, these come one by one.
  bool has_blocks_outside(const DirectTile& tile) const {
    return has_few_registers() && tile.unroll_taps == 0 && tile.k * vectors_ > tile.x * tile.y;
  }

  // Of the tiles of a row.
  double cost_of_widths(const DirectTile& tile, int64_t taps) const {
    double cycles = 0;
    for (int64_t width : widths(tile)) {
      TileStep step = tile_step({width, tile.y, tile.k}, taps, 1);
      step.used = 1;
      cycles += cost_of(step) * static_cast<double>(width);
    }
    return cycles / static_cast<double>(width_);
  }

  // Of a tile and the lower one that covers the rest of the height.
  double cost_of_two(const DirectTile& tile, int64_t taps) const {
    double cycles = 0;
    for (int64_t rows : {tile.y, height_ - tile.y}) {
      TileStep step = tile_step({tile.x, rows, tile.k}, taps, 1);
      step.used = used_part(width_, tile.x);
      step.far = wait_for_weights(step, tile) + wait_for_inputs(tile, step);
      cycles += cost_of(step) * static_cast<double>(rows);
    }
    return cycles / static_cast<double>(height_);
  }

  // Of far weights read in one stream (see passes): a tap meets one position in `phase`.
  TileStep tap_step(const DirectTile& tile, int64_t phase) const {
    TileStep step;
    step.accumulators = static_cast<double>(tile.x * tile.y * tile.k * vectors_);
    step.multiply_adds = step.accumulators / static_cast<double>(phase);
    step.vectors = static_cast<double>(tile.k * vectors_);
    step.broadcasts = static_cast<double>(tile.x * tile.y) / static_cast<double>(phase);
    step.used = used_part(width_, tile.x) * used_part(height_, tile.y);
    return step;
  }

  TileStep tile_step(const DirectTile& tile, int64_t taps_x, int64_t phase) const {
    const int last = static_cast<int>(conv_.spec.stride.size()) - 1;
    const int64_t accumulators = tile.x * tile.y * tile.k * vectors_;
    const int64_t hits = std::max<int64_t>(1, taps_x / phase);  // taps that meet an element
    const int64_t inputs =
        tile.y * (phase > 1 ? tile.x / phase + 1
                            : distinct_inputs(tile.x, conv_.spec.stride[last], taps_x,
                                              conv_.spec.rhs_dilation[last]));
    TileStep step;
    step.multiply_adds = static_cast<double>(accumulators * hits);
    step.chain = static_cast<double>(hits);
    step.vectors = static_cast<double>(tile.k * vectors_ * taps_x);
    step.broadcasts = static_cast<double>(inputs);
    step.accumulators = static_cast<double>(accumulators);
    step.used = used_part(width_, tile.x) * used_part(height_, tile.y);
    if (phase == 1) step.far = wait_for_weights(step, tile) + wait_for_inputs(tile, step);
    return step;
  }

  // The first tile of a panel waits for its weights, the others find them near; the mean. The
  // weights of several taps are read in passes, in one stream.
  double wait_for_weights(const TileStep& step, const DirectTile& tile) const {
    if (weight_bytes() <= kColdWeights || !has_one_tap()) return 0;
    int64_t tiles = (width_ + tile.x - 1) / tile.x * ((height_ + tile.y - 1) / tile.y);
    if (weight_bytes() < kFarWeights) tiles *= images_;  // they stay for the next image
    const double bytes =
        step.vectors / static_cast<double>(vectors_) * static_cast<double>(block_) * 4;
    return std::max(0.0, bytes / kColdBytes - step.multiply_adds / 2) / static_cast<double>(tiles);
  }

  // For each stretch of a far image, of which a step is one channel; of a near one for each input.
  double wait_for_inputs(const DirectTile& tile, const TileStep& step) const {
    double cycles = 0;
    if (has_one_tap() && has_far_image())
      cycles += kStretchCycles * static_cast<double>(tile.y) / static_cast<double>(input_block());
    if (has_few_registers() && image_bytes() > kCaches.first / 2)
      cycles += kNearInput * step.broadcasts;
    return cycles;
  }

  // Rows of a parallel task; 0 where the kernel is too small to share. Neighbouring tasks share a
  // panel of weights.
  int64_t task_rows(const DirectTile& tile, int64_t phase, int64_t passes) const {
    if (work() < kSharedWork) return 0;
    if (passes > 1) return height_;
    const int64_t rows = tile.y * phase, tiles = (height_ + rows - 1) / rows;
    if (height_ % tile.y != 0) return tiles * rows;  // two tiles of unequal rows
    const int64_t panels = images_ * conv_.spec.groups * blocks_ / tile.k;
    return units_per_task(panels, tiles, work(), conv_.wants_even_tasks()) * rows;
  }

  // Rows that all panels read before the next rows, because otherwise every panel would read the
  // image from beyond the second-level cache; 0 where that is less than reading weights again.
  int64_t rows_outside(const DirectTile& tile, int64_t phase, int64_t passes) const {
    const bool possible = has_few_registers() && conv_.rank() == 4 && phase == 1 && passes == 1 &&
                          height_ % tile.y == 0 && !conv_.wants_even_tasks();
    if (!possible || conv_.spec.groups > 1 || image_bytes() <= kCaches.second / 2) return 0;
    const int64_t row_bytes = image_bytes() / height_;
    const int64_t rows = std::max(kRowsBytes / row_bytes / tile.y, int64_t{1}) * tile.y;
    const int64_t panels = blocks_ / tile.k, parts = (height_ + rows - 1) / rows;
    const bool less = parts * weight_bytes() + image_bytes() < panels * image_bytes();
    return less && rows < height_ ? rows : 0;
  }

  // Tiles of a parallel task along the one axis of positions; 0 where there are more axes.
  int64_t task_columns(const DirectTile& tile) const {
    const int64_t tiles = (width_ + tile.x - 1) / tile.x;
    if (conv_.rank() != 3 || tiles == 1 || work() < kSharedWork) return 0;
    const int64_t panels = images_ * conv_.spec.groups * blocks_ / tile.k;
    const int64_t task = units_per_task(panels, tiles, work(), conv_.wants_even_tasks());
    return task < tiles ? task : 0;
  }

  // A convolution at few positions takes as long as its weights take to arrive.
  double work() const {
    return std::max(conv_.flops(), kWorkOfByte * static_cast<double>(weight_bytes()));
  }

  const ConvView& conv_;
  int64_t block_, vectors_, blocks_;  // blocks_: of a group
  int64_t width_, height_;
  int64_t images_;  // and other axes outside of the last two
};

}  // namespace

Schedule choose_direct(const ConvView& conv) { return DirectChooser(conv).choose(); }

}  // namespace ag
