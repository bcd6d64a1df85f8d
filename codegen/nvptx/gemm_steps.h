#pragma once

#include <functional>
#include <span>

#include "codegen/nvptx/device_module.h"
#include "codegen/schedule/cuda/gemm_view.h"

namespace ag::nvptx {

// The values of steps at one position, in order. `sum` is that of the product, where they ask for
// it, and `load` gives the value of a step that loads.
std::vector<llvm::Value*> values_of(DeviceKernel& kernel, const GemmView& view,
                                    std::span<const GemmStep> steps, llvm::Value* sum,
                                    const std::function<llvm::Value*(const GemmStep&)>& load);

}  // namespace ag::nvptx
