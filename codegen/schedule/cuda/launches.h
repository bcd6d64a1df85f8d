// What a lowered CUDA pipeline launches.
#pragma once

#include "codegen/lower/kernel.h"

namespace ag::schedule {

// Fills the launches, the scratch and the constants of `result` from the host's part of the module,
// which does nothing but launch device kernels one after another. InternalError where it computes
// something itself.
void collect_launches(const Halide::Module& module, const lower::Kernel& kernel,
                      KernelResult& result);

// The module's PTX, with the names of its kernels made unique to `symbol`, in `result.launches`
// too.
void take_ptx(const Halide::Module& module, std::string_view symbol, KernelResult& result);

}  // namespace ag::schedule
