#include "codegen/schedule/matmul_view.h"

#include <algorithm>

namespace ag {

MatmulView MatmulView::of(const Graph& body, const Node& product, const Target& target) {
  const TensorType& result = product.types[0];
  const int rank = result.rank();
  const Shape& left = body.type(product.operands[0]).shape;
  const bool is_half = result.dtype == DType::f16 || result.dtype == DType::bf16;
  MatmulView view;
  view.rank = rank;
  for (int axis = 0; axis < rank - 2; ++axis) view.batch *= result.shape[axis];
  view.rows = result.shape[rank - 2];
  view.columns = result.shape[rank - 1];
  view.depth = left[rank - (product.attributes.flag("transpose_a") ? 2 : 1)];
  view.lanes = target.lanes(static_cast<int>(is_half ? sizeof(float) : size_of(result.dtype)));
  view.depth_last_b = product.attributes.flag("transpose_b");
  return view;
}

}  // namespace ag
