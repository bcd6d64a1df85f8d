#include <algorithm>

#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/register_tile.h"
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

// Whether neighbouring columns of the right operand are neighbours in memory.
bool columns_innermost(const KernelView& kernel, const Node& node) {
  const std::vector<Value> leaves = body_leaves(kernel.body);
  const auto leaf = std::find(leaves.begin(), leaves.end(), node.operands[1]);
  if (leaf == leaves.end()) return true;
  const TensorType& type = kernel.operands[leaf - leaves.begin()].type;
  const int column = type.rank() - (node.attributes.flag("transpose_b") ? 2 : 1);
  return type.layout.dims(type.rank()).back().axis == column;
}

// Halves are summed in f32.
int64_t lanes_for(const Target& target, DType dtype, int64_t columns) {
  const bool is_half = dtype == DType::f16 || dtype == DType::bf16;
  int64_t lanes = target.lanes(static_cast<int>(is_half ? sizeof(float) : size_of(dtype)));
  while (lanes > columns) lanes /= 2;
  return lanes;
}

struct Tile {
  int64_t m = 1, n = 1;
  double cost = 1e30;
};

Tile choose_tile(int64_t rows, int64_t columns, int64_t lanes, const Target& target) {
  Tile best;
  for (int64_t m = 1; m <= std::min<int64_t>(rows, 28); ++m) {
    for (int64_t n = 1; n <= 8 && n * lanes <= columns; ++n) {
      TileStep step;
      step.multiply_adds = static_cast<double>(m * n);
      step.vectors = static_cast<double>(n);
      step.broadcasts = static_cast<double>(m);
      step.accumulators = static_cast<double>(m * n);
      step.used = used_part(rows, m) * used_part(columns, n * lanes);
      if (!fits_registers(target, step.accumulators, step.vectors, false)) continue;
      const Tile tile{m, n, cost_of(step)};
      if (tile.cost < best.cost) best = tile;
    }
  }
  return best;
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
  const Shape& shape = node->types[0].shape;
  const int64_t rows = shape[shape.size() - 2], columns = shape.back();
  const int64_t lanes = lanes_for(kernel.target, node->types[0].dtype, columns);
  const Tile tile = choose_tile(rows, columns, lanes, kernel.target);
  const double panels = static_cast<double>(element_count(shape) / (rows * columns)) *
                        static_cast<double>((columns + tile.n * lanes - 1) / (tile.n * lanes));
  const double row = flops / (panels * static_cast<double>(rows));
  const int64_t tiles = (rows + tile.m - 1) / tile.m;
  const int64_t wanted = static_cast<int64_t>(kTaskFlops / row) / tile.m + 1;
  return {"matmul",
          {{"tile_m", tile.m},
           {"tile_n", tile.n},
           {"lanes", lanes},
           {"pack", !columns_innermost(kernel, *node)},
           {"unroll_epilogue", 1},
           {"task_rows", parallel ? divisor_from(tiles, wanted) * tile.m : 0}}};
}

}  // namespace ag
