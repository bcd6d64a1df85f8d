// The CUDA device of this machine.
#pragma once

#include <string>

namespace ag {

// What the driver says of it; nothing is measured.
struct DeviceLimits {
  std::string name;     // "NVIDIA A100-SXM4-40GB, sm_80"
  double gflops = 0;    // of f32 multiply-adds: lanes of all multiprocessors at their clock
  double gb_per_s = 0;  // of the memory's bus at its clock
};

// Of the first device, or that of the environment variable ARGENT_CUDA_DEVICE. Throws CompileError
// when there is none.
DeviceLimits device_limits();

}  // namespace ag
