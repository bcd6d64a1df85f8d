#pragma once

#include "codegen/kernel/request.h"

namespace ag::nvptx {

// The template "gemm": a batched matrix product, or a convolution as one.
KernelResult gemm(const KernelRequest& request);

}  // namespace ag::nvptx
