#include <algorithm>
#include <optional>

#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/matmul_view.h"
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

// Whether neighbouring columns of the right operand are neighbours in memory.
bool columns_innermost(const KernelView& kernel, const Node& node) {
  const BufferForm* form = kernel.form_of(node.operands[1]);
  if (!form) return true;
  const TensorType& type = form->type;
  const int column = type.rank() - (node.attributes.flag("transpose_b") ? 2 : 1);
  return type.layout.dims(type.rank()).back().axis == column;
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

// Lanes for an extent: of a vector, or of the part of one that the extent fills.
int64_t lanes_within(int64_t lanes, int64_t extent) {
  while (lanes > extent) lanes /= 2;
  return lanes;
}

struct Tile {
  int64_t m = 1, n = 1;
  double cost = 1e30;
};

// Takes a tile of m rows by n vectors where it is better.
void consider(Tile tile, const MatmulView& product, int64_t lanes, const Target& target,
              Tile& best) {
  TileStep step;
  step.multiply_adds = static_cast<double>(tile.m * tile.n);
  step.vectors = static_cast<double>(tile.n);
  step.broadcasts = static_cast<double>(tile.m);
  step.accumulators = static_cast<double>(tile.m * tile.n);
  step.used = used_part(product.rows, tile.m) * used_part(product.columns, tile.n * lanes);
  if (!fits_registers(target, step.accumulators, step.vectors, false)) return;
  tile.cost = cost_of(step);
  if (tile.cost < best.cost) best = tile;
}

// Tiles that divide the columns where vectors do: every tile is then whole.
Tile choose_tile(const MatmulView& product, int64_t lanes, const Target& target) {
  const int64_t vectors = product.columns % lanes == 0 ? product.columns / lanes : 0;
  Tile best;
  for (int64_t m = 1; m <= std::min<int64_t>(product.rows, 28); ++m) {
    for (int64_t n = 1; n <= 8 && n * lanes <= product.columns; ++n) {
      if (vectors % n != 0) continue;
      consider({m, n}, product, lanes, target, best);
    }
  }
  return best;
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
  Tile best;
  for (int64_t m : divisors(product.rows, 28)) {
    for (int64_t n : divisors(product.columns / lanes, 8))
      consider({m, n}, product, lanes, target, best);
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

// Few rows by a right operand whose depth is innermost: each of its rows is read once.
Schedule choose_matvec(const MatmulView& product, double flops, const Target& target) {
  constexpr int64_t kMostColumns = 8, kVectorsInFlight = 4;
  const int64_t lanes = lanes_within(product.lanes, product.depth);
  const auto fits = [&](int64_t n) {
    const double sums = static_cast<double>(n * product.rows);
    return fits_registers(target, sums, static_cast<double>(n), false);
  };
  int64_t tile = 1;
  for (int64_t n = 2; n <= std::min(kMostColumns, product.columns); ++n) {
    const bool divides = product.columns % n == 0;
    if (fits(n) && (divides || product.columns % tile != 0)) tile = n;
  }
  const bool whole = product.depth % (lanes * kVectorsInFlight) == 0;
  const double bytes = static_cast<double>(product.batch * product.columns * product.depth * 4);
  const double work = std::max(flops, bytes * kWorkOfByte);
  const int64_t tiles = (product.columns + tile - 1) / tile;
  return {"matvec",
          {{"tile_n", tile},
           {"lanes", lanes},
           {"unroll", whole ? kVectorsInFlight : 1},
           {"task_tiles", work < kSharedWork ? 0 : units_per_task(product.batch, tiles, work)}}};
}

}  // namespace

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
  const Tile tile = choose_tile(product, lanes, kernel.target);
  const int64_t panels = (product.columns + tile.n * lanes - 1) / (tile.n * lanes) * product.batch;
  const double row = flops / static_cast<double>(panels * product.rows);
  const int64_t tiles = (product.rows + tile.m - 1) / tile.m;
  const int64_t wanted = static_cast<int64_t>(kTaskFlops / row) / tile.m + 1;
  return {"matmul",
          {{"tile_m", tile.m},
           {"tile_n", tile.n},
           {"lanes", lanes},
           {"pack", columns_apart},
           {"unroll_epilogue", is_short_epilogue(kernel.body)},
           {"task_rows", parallel ? divisor_from(tiles, wanted) * tile.m : 0}}};
}

}  // namespace ag
