#include "codegen/schedule/sum_model.h"

#include <algorithm>

#include "codegen/schedule/conv_view.h"
#include "codegen/schedule/cuda/sum_model.h"
#include "ir/ops/kernel.h"

namespace ag {
namespace {

// The only convolution of a body whose one result has its shape, in f32, forward over an image of
// several positions.
const Node* only_conv(const Graph& body) {
  const Node* found = nullptr;
  for (int i = 0; i < body.size(); ++i) {
    if (!body.node(i).is(ops::conv)) continue;
    if (found) return nullptr;
    found = &body.node(i);
  }
  if (!found || found->types[0].rank() != 4 || body.outputs().size() != 1) return nullptr;
  const TensorType& result = body.type(body.outputs()[0].value);
  const ConvSpec spec = ConvSpec::of(*found);
  const bool forward = spec.dims.lhs_channel == 1 && spec.dims.out_channel == 1 &&
                       spec.lhs_dilation == Integers{1, 1} && !spec.reverse;
  const bool plain = result == found->types[0] && result.dtype == DType::f32 &&
                     result.shape[2] * result.shape[3] > 1;
  return forward && plain ? found : nullptr;
}

// Which leaf of the body a value is; -1 where the body computes it.
int leaf_of(const Graph& body, Value value) {
  const std::vector<Value> leaves = body_leaves(body);
  const auto leaf = std::find(leaves.begin(), leaves.end(), value);
  return leaf == leaves.end() ? -1 : static_cast<int>(leaf - leaves.begin());
}

std::optional<GroupVectors> vectors_of(const Graph& body, const Node& conv, int64_t lanes) {
  const ConvSpec spec = ConvSpec::of(conv);
  const ConvExtents extents(spec, body.type(conv.operands[0]).shape,
                            body.type(conv.operands[1]).shape, conv.types[0].shape);
  return group_vectors(spec, extents, lanes);
}

}  // namespace

bool CpuSumModel::sums_result(const Graph& body, std::string_view kernel_class) const {
  const Node* conv = kernel_class == "conv" ? only_conv(body) : nullptr;
  if (!conv || leaf_of(body, conv->operands[0]) < 0) return false;
  if (conv->types[0].bytes() <= least_bytes_) return false;
  const int64_t lanes = target_.lanes(4);
  if (ConvSpec::of(*conv).groups == 1) return channel_block(conv->types[0].shape[1], lanes) > 1;
  return vectors_of(body, *conv, lanes).has_value();
}

std::unique_ptr<SumModel> sum_model_of(const Target& target) {
  if (target.is_cuda()) return std::make_unique<CudaSumModel>();
  return std::make_unique<CpuSumModel>(target);
}

}  // namespace ag
