// Average pooling: composites over sums of windows.
#pragma once

#include "ir/ops/window.h"

namespace ag::ops {

// window, stride, padding, dilation, ceil_mode, count_include_pad: what a window is divided by.
// Without count_include_pad, by the elements it covers; with it, also by the padding it covers (but
// never by what ceil_mode adds), as PyTorch does.
extern const OpDef avg_pool;
// [batch, channels, spatial…] to [batch, channels, 1…].
extern const OpDef global_avg_pool;
// size: the result's extents. Bin i of an axis is [floor(i·extent/size), ceil((i+1)·extent/size)).
extern const OpDef adaptive_avg_pool;

}  // namespace ag::ops

namespace ag {

Tensor avg_pool(Operand x, PoolOptions options, bool count_include_pad = true);
Tensor global_avg_pool(Operand x);
Tensor adaptive_avg_pool(Operand x, Integers size);

}  // namespace ag
