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

// Whether a result has one element for each image and channel.
bool sums_to(const ConvView& conv, const BufferForm& form) {
  const Shape& shape = conv.result();
  return conv.rank() == 4 && form.type.shape != shape && form.type.count() == shape[0] * shape[1];
}

// Results stored with one block of output channels innermost, at the convolution's own positions.
bool fits_direct(const ConvView& conv) {
  for (const BufferForm& form : conv.kernel.results) {
    const bool first = &form == &conv.kernel.results[0];
    if (!first && sums_to(conv, form)) continue;
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

// What a tile keeps in the first-level cache.
constexpr int64_t kPassBytes = kCaches.first * 3 / 4;
// Multiply-adds that a vector from the second-level cache is worth at least.
constexpr double kVectorsPerCycle = 5;
// Cycles that an input from there costs, of a backward-weights tile.
constexpr double kFarInput = 0.8;

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
    if (conv->spec.groups == 1) return choose_direct(*conv);
    const int64_t lanes = conv->kernel.target.lanes(4);
    const std::optional<GroupVectors> vectors = group_vectors(conv->spec, conv->extents, lanes);
    const int64_t block = conv->kernel.results[0].type.layout.block_of(1);
    if (vectors && vectors->block == block) {
      return vectors->several_groups ? choose_depthwise(*conv) : choose_direct(*conv);
    }
  }
  if (conv && fits_depthwise_weights(*conv)) return choose_depthwise_weights(*conv);
  const bool parallel = conv && conv->flops() >= 2 * kTaskFlops;
  return {"contraction_plain", {{"parallel", parallel}}};
}

}  // namespace ag
