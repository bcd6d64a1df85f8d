#include "ir/ops/all_ops.h"

#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/index.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/loss.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/pool.h"
#include "ir/ops/random.h"
#include "ir/ops/reduce.h"
#include "ir/ops/resize.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"
#include "ir/ops/window.h"
#include "ir/ops/winograd.h"

namespace ag {
namespace {

constexpr const OpDef* kAllOps[] = {
    // leaf
    &ops::input,
    &ops::parameter,
    &ops::state,
    &ops::constant,
    &ops::full,
    &ops::iota,
    // pointwise
    &ops::negate,
    &ops::abs,
    &ops::sign,
    &ops::exp,
    &ops::log,
    &ops::sqrt,
    &ops::rsqrt,
    &ops::reciprocal,
    &ops::sin,
    &ops::cos,
    &ops::tanh,
    &ops::erf,
    &ops::sigmoid,
    &ops::gelu_slope,
    &ops::relu,
    &ops::floor,
    &ops::ceil,
    &ops::round,
    &ops::logical_not,
    &ops::cast,
    &ops::stop_gradient,
    &ops::add,
    &ops::subtract,
    &ops::multiply,
    &ops::divide,
    &ops::maximum,
    &ops::minimum,
    &ops::power,
    &ops::bit_and,
    &ops::bit_or,
    &ops::bit_xor,
    &ops::shift_left,
    &ops::shift_right,
    &ops::equal,
    &ops::not_equal,
    &ops::less,
    &ops::less_equal,
    &ops::greater,
    &ops::greater_equal,
    &ops::select,
    // view
    &ops::broadcast,
    &ops::reshape,
    &ops::transpose,
    &ops::slice,
    &ops::pad,
    &ops::concat,
    &ops::reverse,
    &ops::to_layout,
    // reduce
    &ops::reduce_sum,
    &ops::reduce_max,
    &ops::reduce_min,
    &ops::argmax,
    &ops::argmin,
    // contractions
    &ops::conv,
    &ops::matmul,
    &ops::winograd_conv,
    &ops::winograd_backward_weights,
    &ops::winograd_weights,
    // windows
    &ops::max_pool,
    &ops::sum_pool,
    &ops::window_scatter,
    &ops::window_gather,
    &ops::avg_pool,
    &ops::global_avg_pool,
    &ops::adaptive_avg_pool,
    &ops::resize_linear,
    // activations
    &ops::relu6,
    &ops::clip,
    &ops::leaky_relu,
    &ops::elu,
    &ops::softplus,
    &ops::silu,
    &ops::mish,
    &ops::gelu,
    &ops::hard_sigmoid,
    &ops::hard_swish,
    // normalisations and losses
    &ops::softmax,
    &ops::log_softmax,
    &ops::batch_norm_inference,
    &ops::batch_norm_training,
    &ops::batch_norm_grad,
    &ops::layer_norm,
    &ops::cross_entropy,
    &ops::mse_loss,
    // indices
    &ops::take_along,
    &ops::scatter_along_add,
    &ops::gather_rows,
    &ops::scatter_rows_add,
    // random
    &ops::random_bits,
    &ops::random_uniform,
    &ops::random_normal,
    &ops::dropout,
    // kernel
    &ops::kernel,
};

}  // namespace

std::span<const OpDef* const> all_ops() { return kAllOps; }

const OpDef* find_op(std::string_view name) {
  for (const OpDef* op : kAllOps) {
    if (op->name == name) return op;
  }
  return nullptr;
}

}  // namespace ag
