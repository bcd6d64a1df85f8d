#include "codegen/schedule/cpu/product_tile.h"

namespace ag::schedule {

using Halide::Func;
using Halide::Var;
using Halide::VarOrRVar;

void schedule_product_tile(const lower::Contraction& product, const ProductTile& tile,
                           const Func& consumer, const Var& at) {
  Func func = product.func;
  const std::vector<Var> axes = func.args();
  const Var vector("vector"), lane("lane");
  std::vector<VarOrRVar> order{lane, vector};
  order.insert(order.end(), axes.begin() + 1, axes.end());
  func.compute_at(consumer, at)
      .store_in(Halide::MemoryType::Stack)
      .bound_extent(axes[0], tile.width())
      .bound_extent(axes[1], tile.m);
  func.split(axes[0], vector, lane, tile.lanes).reorder(order).vectorize(lane).unroll(vector);
  order.push_back(product.channel);
  Halide::Stage update = func.update();
  update.split(axes[0], vector, lane, tile.lanes).reorder(order).vectorize(lane).unroll(vector);
  for (size_t i = 1; i < axes.size(); ++i) {
    func.unroll(axes[i]);
    update.unroll(axes[i]);
  }
}

void schedule_panel(lower::Kernel& kernel, const lower::Contraction& product, int lanes,
                    const Func& consumer, const Var& at) {
  const Node& node = kernel.body.node(product.node);
  const Value right = node.operands[1];
  Func panel = kernel.values[right.node][right.result].in(product.func);
  const bool transposed = node.attributes.flag("transpose_b");
  const Var column = panel.args()[transposed ? 1 : 0], depth = panel.args()[transposed ? 0 : 1];
  const Var vector("vector"), lane("lane");
  panel.compute_at(consumer, at).reorder_storage(column, depth).align_storage(column, lanes);
  panel.split(column, vector, lane, lanes).reorder(lane, depth, vector).vectorize(lane);
}

}  // namespace ag::schedule
