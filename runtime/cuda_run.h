// One run of an entry: the caller's tensors become addresses, host memory is copied, kernels are
// launched. Internal to runtime/cuda_*.
#pragma once

#include "runtime/cuda_launch.h"

namespace ag::rt {

struct CudaRun {
  CudaInstance& instance;
  const CudaEntryRecord& entry;
  CudaFunctionHandle** functions;  // of the entry's launches
  CudaStreamHandle* stream;        // the instance's or the caller's
  const CudaTensor* tensors;
  char* message;
  CudaPointer slots[kCudaMostSlots];

  const CudaDevice& device() const { return *instance.program->device; }
  const CudaDriver& driver() const { return device().driver; }
  uint32_t slot_count() const { return entry.input_count + entry.output_count; }
  bool is_copied(uint32_t slot) const {
    return !tensors[slot].on_device && entry.slots[slot].staging != kCudaUnused;
  }
  int failed(const char* call, CudaResult error) const {
    return cuda_failed(device(), entry.name, call, error, message);
  }

  int copy_input(uint32_t slot) const;
  int copy_output(uint32_t slot) const;
  int launch(uint32_t index, CudaStreamHandle* on) const;
  int wait() const;
};

// Looks the entry up, checks the tensors and calls `act(run)` with the device's context current.
int with_cuda_run(CudaInstance& instance, uint32_t entry, const CudaTensor* tensors, uint32_t count,
                  CudaStreamHandle* stream, char* message, void* argument,
                  int (*act)(CudaRun& run, void* argument));

}  // namespace ag::rt
