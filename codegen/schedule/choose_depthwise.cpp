// Default schedules of convolutions whose vectors hold several groups: depthwise ones and those of
// narrow groups (4 or 8 channels).
//
// Depthwise: all taps are unrolled and the weights of a block of channels stay in registers along a
// row. Such a kernel moves as many bytes as it computes sums.
//
// Narrow groups: a lane of input channel i of a group reads element i of that group, a permutation
// of one vector of inputs; the channels and the taps of a row are unrolled, so that neighbouring
// positions share it. A group that fills 256 bits has vectors of its own instead, whose inputs are
// broadcast: where shuffles keep a port from multiply-adds this is faster than whole vectors.

#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/register_tile.h"
#include "codegen/schedule/tasks.h"

namespace ag {
namespace {

// Taps that are unrolled in both axes: of 32 registers; of 16, as many as they hold weights.
constexpr int64_t kManyRegisters = 32, kMostUnrolledTaps = 49;
// Bytes of a vector whose multiply-adds no processor with wider ones starts less often.
constexpr int64_t kLeastVector = 32;

class DepthwiseChooser {
 public:
  explicit DepthwiseChooser(const ConvView& conv)
      : conv_(conv),
        width_(conv.result().back()),
        height_(conv.rank() > 3 ? conv.result()[conv.rank() - 2] : 1),
        taps_(element_count(conv.extents.rhs)),
        phase_(phases()),
        block_(conv.kernel.results[0].type.layout.block_of(1)),
        lanes_(lanes_of_group()) {}

  Schedule choose() const {
    const Tile tile = best_tile();
    Schedule schedule{"conv_direct",
                      {{"tile_x", tile.x},
                       {"tile_y", tile.y},
                       {"tile_k", 1},
                       {"unroll_taps", unrolled_axes()},
                       {"phase", phase_},
                       {"passes", 1},
                       {"unroll_epilogue", !is_costly_epilogue(conv_.kernel.body)},
                       {"task_rows", task_rows(tile.y * phase_)}}};
    if (lanes_ < block_)
      schedule.values["lanes"] = lanes_;
    else if (conv_.extents.input > 1)
      schedule.values["unroll_channels"] = 1;
    return schedule;
  }

 private:
  struct Tile {
    int64_t x = 1, y = 1;
  };

  // Of a vector: a block, or a group that fills 256 bits of it.
  int64_t lanes_of_group() const {
    const int64_t group = conv_.extents.output;
    const int64_t bytes = group * static_cast<int64_t>(size_of(conv_.node.types[0].dtype));
    return conv_.extents.input > 1 && bytes == kLeastVector && block_ % group == 0 ? group : block_;
  }

  int64_t unrolled_axes() const {
    if (phase_ > 1) return 2;
    const int64_t registers = conv_.kernel.target.vector_registers;
    const int64_t most = registers < kManyRegisters ? registers : kMostUnrolledTaps;
    return conv_.extents.input == 1 && taps_ <= most ? 2 : 1;
  }

  // Rows of different phase of a dilated gradient; tiles must start at phase 0.
  int64_t phases() const {
    if (conv_.rank() != 4) return 1;
    const int64_t phase = std::max(conv_.spec.lhs_dilation[0], conv_.spec.lhs_dilation[1]);
    return width_ % phase == 0 ? phase : 1;
  }

  Tile best_tile() const {
    Tile best;
    double least = 1e30;
    const bool narrow = conv_.extents.input > 1;
    const bool one_row = phase_ > 1 || narrow || comes_from_afar();
    for (int64_t y : divisors(height_, one_row ? 1 : 4)) {
      for (int64_t x = 1; x <= std::min<int64_t>(width_, narrow ? 8 : 16); ++x) {
        if (phase_ > 1 && (width_ % x != 0 || (x < width_ && x % phase_ != 0))) continue;
        const double cost = cost_of_tile({x, y});
        if (cost >= least) continue;
        least = cost;
        best = {x, y};
      }
    }
    return best;
  }

  // Whether operands and results leave the third-level cache: rows that are read one after the
  // other then arrive sooner than those that a higher tile reads side by side. More taps are bound
  // by arithmetic.
  bool comes_from_afar() const {
    constexpr int64_t kMostTaps = 9;
    if (taps_ > kMostTaps) return false;
    int64_t bytes = 0;
    for (const BufferForm& form : conv_.kernel.operands) bytes += form.type.bytes();
    for (const BufferForm& form : conv_.kernel.results) bytes += form.type.bytes();
    return bytes > kCaches.third * 3 / 4;
  }

  // Cycles per useful vector of results.
  double cost_of_tile(Tile tile) const {
    const int64_t results = tile.x * tile.y;
    // Accumulators, the weights of a row of taps, and inputs on their way.
    const int64_t vectors = block_ / lanes_, taps_of_row = conv_.extents.rhs.back();
    if ((results + taps_of_row) * vectors + 2 > conv_.kernel.target.vector_registers) return 1e30;
    const int last = static_cast<int>(conv_.spec.stride.size()) - 1;
    int64_t inputs = distinct_inputs(tile.x, conv_.spec.stride[last], conv_.extents.rhs[last],
                                     conv_.spec.rhs_dilation[last]);
    int64_t rows = 1;
    for (int axis = 0; axis < last; ++axis) {
      rows *= axis == last - 1
                  ? distinct_inputs(tile.y, conv_.spec.stride[axis], conv_.extents.rhs[axis],
                                    conv_.spec.rhs_dilation[axis])
                  : conv_.extents.rhs[axis];
    }
    const double multiply_adds = static_cast<double>(results * taps_);
    const double loads = static_cast<double>(inputs * rows + taps_);
    constexpr double kLoop = 2;
    const double cycles = std::max(multiply_adds, loads) / 2 + 0.1 * loads + kLoop;
    const double used = used_part(width_, tile.x) * used_part(height_, tile.y);
    return cycles / (static_cast<double>(results) * used);
  }

  // Rows of a parallel task; 0 where the kernel is too small to share. Such a kernel moves as many
  // bytes as it computes sums, and its inputs mostly come from the second-level cache.
  int64_t task_rows(int64_t rows_of_tile) const {
    if (conv_.flops() < kSharedWork) return 0;
    const int64_t channels = conv_.result()[1];
    const int64_t block = conv_.kernel.results[0].type.layout.block_of(1);
    const int64_t blocks = conv_.node.types[0].count() / (width_ * height_ * channels) *
                           ((channels + block - 1) / block);
    const int64_t tiles = (height_ + rows_of_tile - 1) / rows_of_tile;
    return units_per_task(blocks, tiles, conv_.flops(), conv_.wants_even_tasks()) * rows_of_tile;
  }

  const ConvView& conv_;
  int64_t width_, height_, taps_, phase_;
  int64_t block_, lanes_;  // of output channels
};

}  // namespace

// Taps in registers beside inputs and gradients on their way.
Schedule choose_depthwise_weights(const ConvView& conv) {
  const int64_t most = conv.kernel.target.vector_registers - 6, columns = conv.result().back();
  const int64_t rows = conv.rank() > 3 ? conv.result()[conv.rank() - 2] : 1;
  const int64_t width = conv.extents.rhs.back();
  return {"conv_depthwise_weights",
          {{"tile_y", divisors(rows, std::max<int64_t>(most / columns, 1)).back()},
           {"unroll_x", width % 4 == 0   ? 4
                        : width % 2 == 0 ? 2
                                         : 1},
           {"parallel", conv.flops() >= 2 * kTaskFlops}}};
}

Schedule choose_depthwise(const ConvView& conv) { return DepthwiseChooser(conv).choose(); }

}  // namespace ag
