#include <algorithm>
#include <optional>

#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/matmul_tile.h"
#include "codegen/schedule/register_tile.h"
#include "codegen/schedule/tasks.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"

namespace ag {
namespace {

const Node* find_matmul(const KernelView& kernel) {
  const Node* found = nullptr;
  for (int i = 0; i < kernel.body.size(); ++i) {
    const Node& node = kernel.body.node(i);
    if (!node.is(ops::conv) && !node.is(ops::matmul)) continue;
    if (found || node.is(ops::conv)) return nullptr;
    found = &node;
  }
  return found;
}

bool is_row_major(const KernelView& kernel, const Node& node) {
  return std::all_of(kernel.results.begin(), kernel.results.end(), [&](const BufferForm& form) {
    return form.type.shape == node.types[0].shape && form.type.layout.is_row_major();
  });
}

// Whether the work behind the product is worth repeating in code for every vector of a tile.
bool is_short_epilogue(const Graph& body) {
  constexpr int kMostOps = 6;
  int ops = 0;
  for (int i = 0; i < body.size(); ++i) ops += body.node(i).op->pointwise;
  return ops <= kMostOps;
}

// Whether both operands have neighbours along the depth as neighbours in memory.
bool lies_by_depth(const KernelView& kernel, const Node& node, const MatmulView& product) {
  const auto lies = [&](Value operand, bool last) {
    const BufferForm* form = kernel.form_of(operand);
    return form && last && form->type.layout.is_row_major();
  };
  const bool one_row = product.rows == 1;
  return lies(node.operands[0], one_row || !node.attributes.flag("transpose_a")) &&
         lies(node.operands[1], product.depth_last_b);
}

// The left operand's columns are its rows in memory: a tile reads a few elements of each. Where all
// of them leave the second-level cache, and the depth has a divisor of the size of a block, the sum
// is cut into blocks.
std::optional<Schedule> choose_deep(const MatmulView& product, const Node& node, bool parallel,
                                    const Target& target) {
  constexpr int64_t kLeastDepth = 96, kMostDepth = 400;
  // A task's part of the result: both operands are read from afar once for it.
  constexpr int64_t kTaskRows = 96, kTaskColumns = 192;
  const int64_t lanes = product.lanes;
  const int64_t bytes = product.depth * product.rows * 4;
  if (!node.attributes.flag("transpose_a") || node.types[0].rank() != 2 ||
      node.types[0].dtype != DType::f32 || bytes <= kCaches.second)
    return std::nullopt;
  const int64_t depth = divisors(product.depth, kMostDepth).back();
  if (depth < kLeastDepth || product.depth == depth) return std::nullopt;
  MatmulTile best;
  for (int64_t m : divisors(product.rows, 28)) {
    for (int64_t n : divisors(product.columns / lanes, 8))
      consider_tile({m, n}, product, lanes, target, best);
  }
  const bool whole = product.columns % lanes == 0;
  if (!whole || best.m * best.n * 2 < target.vector_registers) return std::nullopt;
  const int64_t tiles_m = product.rows / best.m, tiles_n = product.columns / (best.n * lanes);
  return Schedule{
      "matmul_deep",
      {{"tile_m", best.m},
       {"tile_n", best.n},
       {"lanes", lanes},
       {"depth", depth},
       {"task_rows", divisors(tiles_m, kTaskRows / best.m).back() * best.m},
       {"task_columns", divisors(tiles_n, kTaskColumns / (best.n * lanes)).back() * best.n * lanes},
       {"parallel", parallel}}};
}

// How often an operand is read from beyond the second-level cache that is wanted so many times.
int64_t far_readings(int64_t elements, int64_t times) {
  return elements * 4 <= kCaches.second * 3 / 4 ? 1 : times;
}

// Bytes of the left operand that stay in the second-level cache while panels of columns go by: less
// where the right one stays there as well.
int64_t block_bytes(const MatmulView& product) {
  return far_readings(product.depth * product.columns, 2) == 1 ? kCaches.second / 10
                                                               : kCaches.second / 2;
}

// Tiles of rows in such a block; blocks are the parallel tasks.
int64_t tiles_of_block(const MatmulView& product, int64_t tiles) {
  constexpr int64_t kLeastBlocks = 16;
  const int64_t bytes = product.rows * product.depth * 4;
  const int64_t blocks =
      std::max((bytes + block_bytes(product) - 1) / block_bytes(product), kLeastBlocks);
  return (tiles + blocks - 1) / blocks;
}

// Whether less is read from afar when blocks of rows are outside and panels of columns inside.
bool wants_rows_outside(const MatmulView& product, const MatmulTile& tile, int64_t lanes) {
  const int64_t left = product.rows * product.depth, right = product.depth * product.columns;
  const int64_t panels = (product.columns + tile.n * lanes - 1) / (tile.n * lanes);
  const int64_t tiles = (product.rows + tile.m - 1) / tile.m;
  const int64_t per_block = tiles_of_block(product, tiles);
  const int64_t blocks = (tiles + per_block - 1) / per_block;
  const int64_t panels_outside = far_readings(left, panels) * left + right;
  const int64_t rows_outside = left + far_readings(right, blocks) * right;
  // With both near, long rows of a result that comes from afar decide.
  const bool far_result = product.rows * product.columns * 4 > kCaches.second;
  return product.batch == 1 &&
         (rows_outside < panels_outside || (rows_outside == panels_outside && far_result));
}

// Whether each product of a batch copies its left operand first: where tiles read a few elements of
// each of its rows and all products' operands come from afar, but one stays in the second-level
// cache. Products are the parallel tasks.
bool wants_left_copied(const KernelView& kernel, const MatmulView& product, const Node& node) {
  constexpr int64_t kLeastProducts = 8;
  const BufferForm* form = kernel.form_of(node.operands[0]);
  const int64_t bytes = product.rows * product.depth * 4;
  return node.attributes.flag("transpose_a") && form && form->type.layout.is_row_major() &&
         product.batch >= kLeastProducts && product.batch * bytes > kCaches.second &&
         bytes <= kCaches.second / 2;
}

// Few rows by a right operand whose depth is innermost: each of its rows is read once. From memory
// several of them together arrive sooner; one after the other where the third-level cache may have
// them, as one stream, whose accumulators are the lanes of one wide vector. Depths that are not
// such vectors have accumulators in several rows where the second-level cache may have these.
Schedule choose_matvec(const MatmulView& product, double flops, const Target& target) {
  constexpr int64_t kVectorsInFlight = 4, kMostUnrolled = 8;
  const double bytes = static_cast<double>(product.batch * product.columns * product.depth * 4);
  int64_t lanes = lanes_within(product.lanes, product.depth);
  const bool whole = product.depth % (lanes * kVectorsInFlight) == 0;
  const bool one_stream = product.rows == 1 && bytes <= static_cast<double>(kCaches.third) &&
                          (whole || bytes > static_cast<double>(kCaches.second / 2));
  int64_t unroll = whole && !one_stream ? kVectorsInFlight : 1;
  if (one_stream && whole) lanes *= kVectorsInFlight;
  if (one_stream && !whole) {
    if (product.depth % lanes != 0 && product.depth % (lanes / 2) == 0) lanes /= 2;
    if (product.depth % lanes == 0) unroll = divisors(product.depth / lanes, kMostUnrolled).back();
  }
  const int64_t most_columns = one_stream ? 1 : 8;
  const auto fits = [&](int64_t n) {
    const double sums = static_cast<double>(n * product.rows);
    return fits_registers(target, sums, static_cast<double>(n), false);
  };
  int64_t tile = 1;
  for (int64_t n = 2; n <= std::min(most_columns, product.columns); ++n) {
    const bool divides = product.columns % n == 0;
    if (fits(n) && (divides || product.columns % tile != 0)) tile = n;
  }
  const double work = std::max(flops, bytes * kWorkOfByte);
  const int64_t tiles = (product.columns + tile - 1) / tile;
  return {"matvec",
          {{"tile_n", tile},
           {"lanes", lanes},
           {"unroll", unroll},
           {"task_tiles", work < kSharedWork ? 0 : units_per_task(product.batch, tiles, work)}}};
}

}  // namespace

bool columns_innermost(const KernelView& kernel, const Node& product) {
  const BufferForm* form = kernel.form_of(product.operands[1]);
  if (!form) return true;
  const TensorType& type = form->type;
  const int column = type.rank() - (product.attributes.flag("transpose_b") ? 2 : 1);
  return type.layout.dims(type.rank()).back().axis == column;
}

Schedule choose_matmul(const KernelView& kernel) {
  const Node* node = find_matmul(kernel);
  const double flops =
      node ? static_cast<double>(node->op->flops(*node, kernel.body.operand_types(*node))) : 0;
  const bool parallel = flops >= 2 * kTaskFlops;
  if (!node || !is_row_major(kernel, *node)) {
    return {"contraction_plain", {{"parallel", parallel}}};
  }
  const MatmulView product = MatmulView::of(kernel.body, *node, kernel.target);
  const bool columns_apart = !columns_innermost(kernel, *node);
  if (product.has_few_rows() && columns_apart && lies_by_depth(kernel, *node, product)) {
    return choose_matvec(product, flops, kernel.target);
  }
  if (!columns_apart) {
    if (const auto deep = choose_deep(product, *node, parallel, kernel.target)) return *deep;
  }
  const int64_t lanes = lanes_within(product.lanes, product.columns);
  const MatmulTile tile = choose_matmul_tile(product, lanes, kernel.target);
  const int64_t panels = (product.columns + tile.n * lanes - 1) / (tile.n * lanes) * product.batch;
  const double row = flops / static_cast<double>(panels * product.rows);
  const int64_t tiles = (product.rows + tile.m - 1) / tile.m;
  const int64_t wanted = static_cast<int64_t>(kTaskFlops / row) / tile.m + 1;
  const bool pack_left = !columns_apart && wants_left_copied(kernel, product, *node);
  const bool rows_outside = parallel && !columns_apart && wants_rows_outside(product, tile, lanes);
  const int64_t task = rows_outside ? tiles_of_block(product, tiles) : divisor_from(tiles, wanted);
  return {"matmul",
          {{"tile_m", tile.m},
           {"tile_n", tile.n},
           {"lanes", lanes},
           {"pack", columns_apart},
           {"pack_left", pack_left},
           {"unroll_epilogue", is_short_epilogue(kernel.body)},
           {"rows_outside", rows_outside},
           {"task_rows", parallel ? task * tile.m : 0}}};
}

}  // namespace ag
