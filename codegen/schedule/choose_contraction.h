// Default schedules of convolutions and matrix products.
#pragma once

#include "codegen/schedule/choose.h"
#include "codegen/schedule/conv_view.h"

namespace ag {

Schedule choose_conv(const KernelView& kernel);
// Forward or backward-data, one group or groups that fill vectors.
Schedule choose_direct(const ConvView& conv);
Schedule choose_depthwise(const ConvView& conv);
Schedule choose_depthwise_weights(const ConvView& conv);
Schedule choose_matmul(const KernelView& kernel);
// Whether neighbouring columns of a product's right operand are neighbours in memory.
bool columns_innermost(const KernelView& kernel, const Node& product);
Schedule choose_attention(const KernelView& kernel);
// A 1x1 convolution whose input the body computes, in blocks of channels.
bool has_prologue(const ConvView& conv);
Schedule choose_prologue(const ConvView& conv);
Schedule choose_winograd(const KernelView& kernel);
Schedule choose_winograd_weights(const KernelView& kernel);

}  // namespace ag
