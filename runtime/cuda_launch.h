// One launch of a program's table.
#pragma once

#include "runtime/cuda.h"

namespace ag::rt {

// What the arguments of launches point into.
struct CudaMemory {
  CudaPointer arena, state, shared;
  const CudaPointer* slots;  // the caller's tensors, or their places in the arena
};

CudaResult cuda_launch(const CudaDriver& driver, CudaFunctionHandle* function,
                       const CudaLaunchRecord& launch, const CudaMemory& memory,
                       CudaStreamHandle* stream);

}  // namespace ag::rt
