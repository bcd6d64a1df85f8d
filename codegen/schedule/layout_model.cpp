#include "codegen/schedule/layout_model.h"

#include <algorithm>

#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/cuda/layout_model.h"
#include "codegen/schedule/matmul_view.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

// One axis blocked, or two, the last innermost; around the blocks row-major, but for `outermost`.
Layout blocked(int rank, std::vector<LayoutDim> inner, int outermost = 0) {
  std::vector<LayoutDim> dims{{outermost, 0}};
  for (int axis = 0; axis < rank; ++axis) {
    if (axis != outermost) dims.push_back({axis, 0});
  }
  bool any = false;
  for (const LayoutDim& dim : inner) {
    if (dim.block <= 1) continue;
    dims.push_back(dim);
    any = true;
  }
  return any ? Layout(std::move(dims)) : Layout();
}

const Node* find_anchor(const Graph& body, const OpDef& op) {
  for (int i = 0; i < body.size(); ++i) {
    if (body.node(i).is(op)) return &body.node(i);
  }
  return nullptr;
}

// Index of an operand of a node among the kernel's operands; -1 when it is computed in the body.
int leaf_index(const Graph& body, Value value) {
  std::vector<Value> leaves = body_leaves(body);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (leaves[i] == value) return static_cast<int>(i);
  }
  return -1;
}

// Activations blocked along channels; of the weights one packed matrix for each element of a patch,
// in it a panel of output channels for each tap of the axes in front.
LayoutDemands winograd_demands(const Graph& body, int lanes) {
  LayoutDemands demands;
  demands.operands.resize(body_leaves(body).size());
  demands.results.resize(body.outputs().size());
  const Node& conv = *find_anchor(body, ops::winograd_conv);
  const int lhs = leaf_index(body, conv.operands[0]), rhs = leaf_index(body, conv.operands[1]);
  const int rank = conv.types[0].rank();
  const Layout activation = blocked(rank, {{1, lanes}});
  if (lhs >= 0) demands.operands[lhs] = activation;
  if (rhs >= 0) {
    std::vector<LayoutDim> dims{{rank - 2, 0}, {rank - 1, 0}, {0, 0}};
    for (int axis = 2; axis < rank - 2; ++axis) dims.push_back({axis, 0});
    dims.insert(dims.end(), {{1, 0}, {1, lanes}, {0, lanes}});
    demands.operands[rhs] = Layout(std::move(dims));
  }
  for (auto& result : demands.results) result = activation;
  return demands;
}

// Both operands blocked along channels; the result may have any layout.
LayoutDemands winograd_weights_demands(const Graph& body, int lanes) {
  LayoutDemands demands;
  demands.operands.resize(body_leaves(body).size());
  demands.results.resize(body.outputs().size());
  const Node& node = *find_anchor(body, ops::winograd_backward_weights);
  for (Value operand : node.operands) {
    const int leaf = leaf_index(body, operand);
    if (leaf >= 0)
      demands.operands[leaf] = blocked(4, {{1, channel_block(body.type(operand).shape[1], lanes)}});
  }
  return demands;
}

// What a convolution computes its input from is stored as the input would be.
void demand_of_prologue(const Graph& body, const Node& conv, const Layout& activation,
                        LayoutDemands& demands) {
  const std::vector<Value> leaves = body_leaves(body);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (body.type(leaves[i]).shape == body.type(conv.operands[0]).shape)
      demands.operands[i] = activation;
  }
}

// What has the convolution's shape is stored like it; sums beside it are stored anyhow.
void demand_of_results(const Graph& body, const Node& conv, const Layout& activation,
                       LayoutDemands& demands) {
  for (size_t i = 0; i < demands.results.size(); ++i) {
    if (body.type(body.outputs()[i].value).shape == conv.types[0].shape)
      demands.results[i] = activation;
  }
}

// The right operand of a product of many rows in panels of columns (MatmulView::wants_panels).
LayoutDemands matmul_demands(const Graph& body, const Target& target) {
  LayoutDemands demands;
  demands.operands.resize(body_leaves(body).size());
  demands.results.resize(body.outputs().size());
  const Node* product = find_anchor(body, ops::matmul);
  if (!product) return demands;
  const MatmulView view = MatmulView::of(body, *product, target);
  const int right = leaf_index(body, product->operands[1]);
  if (right >= 0 && view.wants_panels()) {
    demands.operands[right] = Layout({{0, 0}, {1, 0}, {0, view.lanes}});
  }
  return demands;
}

}  // namespace

LayoutDemands CpuLayoutModel::demands(const Graph& body, std::string_view kernel_class) const {
  LayoutDemands demands;
  demands.operands.resize(body_leaves(body).size());
  demands.results.resize(body.outputs().size());
  if (kernel_class == "matmul") return matmul_demands(body, target_);
  if (kernel_class == "winograd") return winograd_demands(body, target_.lanes(4));
  if (kernel_class == "winograd_backward") return winograd_weights_demands(body, target_.lanes(4));
  const Node* conv = kernel_class == "conv" ? find_anchor(body, ops::conv) : nullptr;
  if (!conv || conv->types[0].dtype != DType::f32) return demands;
  ConvSpec spec = ConvSpec::of(*conv);
  int rank = conv->types[0].rank(), lanes = target_.lanes(4);
  const Shape& lhs = body.type(conv->operands[0]).shape;
  const Shape& rhs = body.type(conv->operands[1]).shape;
  int lhs_leaf = leaf_index(body, conv->operands[0]),
      rhs_leaf = leaf_index(body, conv->operands[1]);
  bool plain = spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1;  // not backward-weights
  auto activation = [&](const Shape& shape) {
    return blocked(rank, {{1, channel_block(shape[1], lanes)}});
  };
  if (spec.groups > 1) {
    const ConvExtents extents(spec, lhs, rhs, conv->types[0].shape);
    const std::optional<GroupVectors> vectors = group_vectors(spec, extents, lanes);
    if (is_depthwise_weights(spec, extents)) {  // the result may have any layout
      if (lhs_leaf >= 0) demands.operands[lhs_leaf] = activation(lhs);
      if (rhs_leaf >= 0) demands.operands[rhs_leaf] = activation(rhs);
    }
    if (!vectors) return demands;
    const int64_t block = vectors->block;
    if (rhs_leaf >= 0) {
      demands.operands[rhs_leaf] =
          vectors->several_groups
              ? blocked(rank, {{spec.dims.rhs_group, block}})
              : blocked(rank, {{spec.dims.rhs_input, block}, {spec.dims.rhs_output, block}},
                        spec.dims.rhs_output);
    }
    if (lhs_leaf >= 0) demands.operands[lhs_leaf] = blocked(rank, {{1, block}});
    demand_of_results(body, *conv, blocked(rank, {{1, block}}), demands);
    return demands;
  }
  if (lhs_leaf >= 0) demands.operands[lhs_leaf] = activation(lhs);
  if (lhs_leaf < 0) demand_of_prologue(body, *conv, activation(lhs), demands);
  if (plain) {
    int64_t output_block = channel_block(rhs[spec.dims.rhs_output], lanes);
    int64_t input_block = channel_block(rhs[spec.dims.rhs_input], lanes);
    if (rhs_leaf >= 0) {  // a panel of output channels is one stretch of memory
      demands.operands[rhs_leaf] =
          blocked(rank, {{spec.dims.rhs_input, input_block}, {spec.dims.rhs_output, output_block}},
                  spec.dims.rhs_output);
    }
    demand_of_results(body, *conv, activation(conv->types[0].shape), demands);
  } else if (rhs_leaf >= 0) {
    demands.operands[rhs_leaf] = activation(rhs);
  }
  return demands;
}

bool CpuLayoutModel::tests_border(const Graph& body, size_t operand) const {
  const Node* conv = find_anchor(body, ops::conv);
  if (!conv || conv->types[0].dtype != DType::f32) return false;
  const ConvSpec spec = ConvSpec::of(*conv);
  const ConvExtents extents(spec, body.type(conv->operands[0]).shape,
                            body.type(conv->operands[1]).shape, conv->types[0].shape);
  return leaf_index(body, conv->operands[0]) == static_cast<int>(operand) &&
         may_test_border(spec, extents);
}

bool CpuLayoutModel::follows(std::string_view kernel_class) const {
  constexpr std::string_view kFollowing[] = {"pointwise", "reduction", "window",
                                             "concat",    "slice",     "winograd_transform"};
  return std::find(std::begin(kFollowing), std::end(kFollowing), kernel_class) !=
         std::end(kFollowing);
}

std::unique_ptr<LayoutModel> layout_model_of(const Target& target) {
  if (target.is_cuda()) return std::make_unique<CudaLayoutModel>();
  return std::make_unique<CpuLayoutModel>(target);
}

}  // namespace ag
