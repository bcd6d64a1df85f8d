#include <algorithm>
#include <optional>

#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/register_tile.h"

namespace ag {
namespace {

// Activations of one block of backward-weights: they are read by all tiles, from the second level.
constexpr int64_t kBlockBytes = kCaches.second * 5 / 32;
constexpr int64_t kLeastPositions = 96;
// Partial gradients of backward-weights, all together.
constexpr int64_t kPartialBytes = 2 * kCaches.second;
constexpr int64_t kMostTasks = 8;
constexpr int64_t kTaskPositions = 512;

// ---- forward and backward-data ----

// Results stored with one block of output channels innermost, at the convolution's own positions.
bool fits_direct(const ConvView& conv) {
  for (const BufferForm& form : conv.kernel.results) {
    if (form.type.shape != conv.result()) return false;
    std::vector<LayoutDim> dims = form.type.layout.dims(conv.rank());
    if (dims.back().block <= 1 || dims.back().axis != conv.spec.dims.out_channel) return false;
    dims.pop_back();
    const bool one_block =
        std::all_of(dims.begin(), dims.end(), [](const LayoutDim& dim) { return dim.block == 0; });
    if (!one_block || form.type.layout != conv.kernel.results[0].type.layout) return false;
  }
  return !conv.kernel.results.empty();
}

constexpr double kImpossible = 1e30;
// Far weights read by few positions are read in passes of about what the first-level cache keeps
// beside the sums.
constexpr int64_t kFewPositions = 256;
constexpr int64_t kPassBytes = kCaches.first * 3 / 4;
// Multiply-adds that a vector from the second-level cache is worth at least.
constexpr double kVectorsPerCycle = 5;
// Cycles that an input from there costs, of a backward-weights tile.
constexpr double kFarInput = 0.8;

struct DirectTile {
  int64_t x = 1, y = 1, k = 1;
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
        height_(conv.rank() > 3 ? conv.result()[conv.rank() - 2] : 1) {}

  Schedule choose() const {
    int64_t phase = phases();
    DirectTile best = best_tile(phase);
    if (best.cost == kImpossible) {  // no tile starts at one phase throughout
      phase = 1;
      best = best_tile(phase);
    }
    const int64_t passes = choose_passes(best, phase);
    const bool shared = conv_.flops() >= 2 * kTaskFlops;
    return {"conv_direct",
            {{"tile_x", best.x},
             {"tile_y", best.y},
             {"tile_k", best.k},
             {"unroll_taps", passes > 1 && phase == 1 ? 0 : best.unroll_taps},
             {"phase", phase},
             {"passes", passes},
             {"unroll_epilogue", !is_costly_epilogue(conv_.kernel.body)},
             {"task_rows", passes > 1 ? (shared ? height_ : 0) : task_rows(best.y * phase)}}};
  }

 private:
  DirectTile best_tile(int64_t phase) const {
    DirectTile best;
    for (int64_t k : divisors(blocks_, 4)) {
      for (int64_t x = 1; x <= std::min<int64_t>(width_, 32); ++x) {
        for (int64_t y : divisors(height_, phase > 1 ? 1 : 4)) consider({x, y, k}, phase, best);
      }
    }
    return best;
  }

  // How often the sum over input channels is interrupted, so that weights are read once from afar.
  int64_t choose_passes(const DirectTile& tile, int64_t phase) const {
    const BufferForm* weights = conv_.form(1);
    const BufferForm* inputs = conv_.form(0);
    if (conv_.spec.groups > 1 || conv_.rank() < 4 || !weights || !inputs) return 1;
    const int64_t block = weights->type.layout.block_of(conv_.spec.dims.rhs_input);
    const bool blocked = block > 1 && inputs->type.layout.block_of(conv_.spec.dims.lhs_channel) > 1;
    if (!blocked || conv_.extents.input % block != 0) return 1;
    const bool divides = width_ % tile.x == 0 && height_ % (tile.y * phase) == 0;
    const bool reused = width_ * height_ > tile.x * tile.y * phase;
    if (!far_weights() || !divides || !reused) return 1;
    const int64_t blocks = conv_.extents.input / block;
    const int64_t panel = tile.k * block_ * 4 * block * element_count(conv_.extents.rhs);
    return blocks / divisors(blocks, std::max<int64_t>(kPassBytes / panel, 1)).back();
  }

  // Weights from beyond the second-level cache that few positions share.
  bool far_weights() const {
    const BufferForm* weights = conv_.form(1);
    return weights && weights->type.count() * 4 >= kFarWeights && width_ * height_ <= kFewPositions;
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
      const TileStep step =
          one_tap ? tap_step(tile, phase) : tile_step(tile, unroll == 0 ? 1 : taps_x, phase);
      const bool shares = unroll > 0 && !one_tap;
      if (!fits_registers(conv_.kernel.target, step.accumulators, step.vectors, shares)) continue;
      tile.cost = cost_of(step);
      // Between equals the flatter tile: its rows are fewer streams of memory.
      const bool flatter = tile.cost == best.cost && tile.k == best.k && tile.y < best.y;
      if (tile.cost < best.cost || flatter) best = tile;
    }
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
    return step;
  }

  // Rows of a parallel task; 0 where the kernel is too small to share.
  int64_t task_rows(int64_t rows_of_tile) const {
    const double flops = conv_.flops();
    if (flops < 2 * kTaskFlops) return 0;
    const double outer =
        static_cast<double>(conv_.node.types[0].count()) /
        static_cast<double>(width_ * height_ * conv_.result()[conv_.spec.dims.out_channel]) *
        static_cast<double>(blocks_ * conv_.spec.groups);
    const double row = flops / (outer * static_cast<double>(height_));
    const int64_t wanted = static_cast<int64_t>(kTaskFlops / row) + 1;
    const int64_t tiles = (height_ + rows_of_tile - 1) / rows_of_tile;
    const int64_t rows =
        divisor_from(tiles, (wanted + rows_of_tile - 1) / rows_of_tile) * rows_of_tile;
    return std::min(rows, (height_ + rows_of_tile - 1) / rows_of_tile * rows_of_tile);
  }

  const ConvView& conv_;
  int64_t block_, vectors_, blocks_, width_, height_;  // blocks_: of a group
};

// ---- backward-weights ----

// The result's channels are summed over images, the taps are the positions of the second operand.
bool fits_backward_weights(const ConvView& conv) {
  const BufferForm* gradient = conv.form(1);
  return conv.spec.dims.lhs_channel == 0 && conv.spec.dims.rhs_input == 0 && gradient &&
         conv.spec.groups == 1 && gradient->type.layout.block_of(1) > 1;
}

bool fits_depthwise_weights(const ConvView& conv) {
  const BufferForm *input = conv.form(0), *gradient = conv.form(1);
  if (!is_depthwise_weights(conv.spec, conv.extents) || !input || !gradient) return false;
  const int64_t block = gradient->type.layout.block_of(1);
  return block > 1 && input->type.layout.block_of(1) == block;
}

class BackwardWeightsChooser {
 public:
  explicit BackwardWeightsChooser(const ConvView& conv)
      : conv_(conv),
        block_(conv.form(1)->type.layout.block_of(1)),
        vectors_(conv.registers_of(block_)),
        blocks_((conv.extents.output + block_ - 1) / block_) {}

  Schedule choose() const {
    const Tile tile = choose_tile();
    const Shape& positions = conv_.extents.rhs;
    const int64_t height = positions.size() > 1 ? positions[positions.size() - 2] : 1;
    const int64_t tasks = partial_gradients();
    const auto [rows, images] = choose_block(tile, height, conv_.extents.input / tasks);
    return {"conv_backward_weights",
            {{"tile_x", tile.x},
             {"tile_i", tile.i},
             {"tile_k", tile.k},
             {"unroll_x", tile.unroll_x},
             {"rows", rows},
             {"images", images},
             {"tasks", tasks},
             {"parallel", conv_.flops() >= 2 * kTaskFlops}}};
  }

 private:
  struct Tile {
    int64_t x = 1, i = 1, k = 1, unroll_x = 1;
    double cost = 1e30;
  };

  struct Block {
    int64_t rows, images;
  };

  // What one pass over the gradient sums: as much as stays in cache, but enough positions that
  // reading and writing the gradient weighs little.
  Block choose_block(const Tile& tile, int64_t height, int64_t images) const {
    const int64_t width = conv_.extents.rhs.back();
    if (const int64_t most = most_positions(tile); most > 0) {
      const int64_t rows = largest_divisor(height, most / width);
      if (rows < height) return {rows, 1};
      return {rows, largest_divisor(images, most / (rows * width))};
    }
    const int64_t row_bytes = width * (conv_.extents.batch + conv_.extents.output) * 4;
    int64_t rows = largest_divisor(height, kBlockBytes / row_bytes);
    if (rows * width < kLeastPositions) {
      rows = divisor_from(height, (kLeastPositions + width - 1) / width);
    }
    if (rows < height) return {rows, 1};
    const int64_t image = rows * width;
    const int64_t in_cache = largest_divisor(images, kBlockBytes / (row_bytes * height));
    if (in_cache * image >= kLeastPositions) return {rows, in_cache};
    return {rows, divisor_from(images, (kLeastPositions + image - 1) / image)};
  }

  // A tile that loads many vectors for its multiply-adds wants them, and its inputs, in the
  // first-level cache. 0: it does not.
  int64_t most_positions(const Tile& tile) const {
    const TileStep step = tile_step(tile, static_cast<int>(conv_.extents.out.size()) - 1);
    if (step.vectors * kVectorsPerCycle < step.multiply_adds / 2) return 0;
    return kPassBytes / (4 * block_ * (tile.k + strides()));
  }

  static int64_t largest_divisor(int64_t n, int64_t most) {
    return divisors(n, std::max<int64_t>(most, 1)).back();
  }

  // Images are shared out where the gradient is small, so that its tiles alone are too few tasks,
  // and each share sums enough positions to be worth a partial gradient.
  int64_t partial_gradients() const {
    if (conv_.flops() < 2 * kTaskFlops) return 1;
    const int64_t bytes = conv_.node.types[0].count() * 4;
    const int64_t positions = conv_.extents.input * element_count(conv_.extents.rhs);
    return largest_divisor(conv_.extents.input, std::min({kMostTasks, kPartialBytes / bytes,
                                                          positions / kTaskPositions}));
  }

  Tile choose_tile() const {
    const Shape& positions = conv_.extents.rhs;
    const int last = static_cast<int>(positions.size()) - 1;
    Tile best;
    for (int64_t k : divisors(blocks_, 4)) {
      for (int64_t i : divisors(conv_.extents.batch, 16)) {
        for (int64_t x : divisors(conv_.extents.out[last], 7)) {
          for (int64_t unroll : {1, 2, 4}) {
            if (positions[last] % unroll != 0 || (unroll > 1 && x == 1)) continue;
            Tile tile{x, i, k, unroll};
            const TileStep step = tile_step(tile, last);
            const bool shares = unroll > 1;
            if (!fits_registers(conv_.kernel.target, step.accumulators, step.vectors, shares)) {
              continue;
            }
            tile.cost = cost_of(step);
            if (tile.cost < best.cost) best = tile;
          }
        }
      }
    }
    return best;
  }

  TileStep tile_step(const Tile& tile, int last) const {
    const int64_t accumulators = tile.x * tile.i * tile.k * vectors_;
    const int64_t gradients = tile.k * vectors_ * tile.unroll_x;
    TileStep step;
    step.multiply_adds = static_cast<double>(accumulators * tile.unroll_x);
    step.chain = static_cast<double>(tile.unroll_x);
    // Along x the roles are swapped: the gradient's positions are the taps.
    const int64_t inputs = distinct_inputs(tile.x, conv_.spec.stride[last], tile.unroll_x,
                                           conv_.spec.rhs_dilation[last]);
    step.vectors = static_cast<double>(gradients);
    // Each panel of tile.k blocks reads all inputs again, from afar where there are many.
    const int64_t read = tile.i * tile.x * tile.unroll_x * strides();
    const auto taps = static_cast<double>(element_count(conv_.extents.out));
    step.far = far_inputs() ? kFarInput * static_cast<double>(read) / taps : 0;
    step.broadcasts = static_cast<double>(tile.i * inputs);
    step.accumulators = static_cast<double>(accumulators);
    return step;
  }

  bool far_inputs() const {
    const int64_t images = conv_.extents.input * conv_.extents.batch * 4;
    return images * element_count(conv_.extents.rhs) * strides() > kFarWeights;
  }

  // Inputs per position of the gradient, which are the taps here.
  int64_t strides() const {
    int64_t product = 1;
    for (int64_t stride : conv_.spec.rhs_dilation) product *= stride;
    return product;
  }

  const ConvView& conv_;
  int64_t block_, vectors_, blocks_;
};

}  // namespace

Schedule choose_conv(const KernelView& kernel) {
  const std::optional<ConvView> conv = find_conv(kernel);
  if (conv && fits_backward_weights(*conv)) return BackwardWeightsChooser(*conv).choose();
  if (conv && fits_direct(*conv)) {
    if (has_prologue(*conv)) return choose_prologue(*conv);
    if (conv->spec.groups == 1) return DirectChooser(*conv).choose();
    const int64_t lanes = conv->kernel.target.lanes(4);
    const std::optional<GroupVectors> vectors = group_vectors(conv->spec, conv->extents, lanes);
    const int64_t block = conv->kernel.results[0].type.layout.block_of(1);
    if (vectors && vectors->block == block) {
      return vectors->several_groups ? choose_depthwise(*conv) : DirectChooser(*conv).choose();
    }
  }
  if (conv && fits_depthwise_weights(*conv)) return choose_depthwise_weights(*conv);
  const bool parallel = conv && conv->flops() >= 2 * kTaskFlops;
  return {"contraction_plain", {{"parallel", parallel}}};
}

}  // namespace ag
