#include "runtime/cuda_launch.h"

namespace ag::rt {
namespace {

CudaPointer address_of(const CudaArgumentRecord& argument, const CudaMemory& memory) {
  switch (argument.storage) {
    case kCudaArena: return memory.arena + argument.offset;
    case kCudaState: return memory.state + argument.offset;
    case kCudaShared: return memory.shared + argument.offset;
    default: return memory.slots[argument.slot] + argument.offset;
  }
}

}  // namespace

CudaResult cuda_launch(const CudaDriver& driver, CudaFunctionHandle* function,
                       const CudaLaunchRecord& launch, const CudaMemory& memory,
                       CudaStreamHandle* stream) {
  CudaPointer addresses[kCudaMostArguments];
  void* arguments[kCudaMostArguments];
  for (uint32_t i = 0; i < launch.argument_count; ++i) {
    addresses[i] = address_of(launch.arguments[i], memory);
    arguments[i] = &addresses[i];
  }
  return driver.launch(function, launch.blocks[0], launch.blocks[1], launch.blocks[2],
                       launch.threads[0], launch.threads[1], launch.threads[2], launch.shared_bytes,
                       stream, arguments, nullptr);
}

}  // namespace ag::rt
