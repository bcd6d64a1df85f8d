// NVIDIA's device library, which is part of Halide.
#pragma once

namespace ag::schedule {

// Halide begins the module of every kernel with the whole library: 326 functions, all of which
// LLVM reads, links and begins to optimise before it drops those that are not called. This leaves
// in it what kernels can call, an eighth of the code, for the rest of the process. The kernels' PTX
// is the same. Call it before a kernel for a device is compiled.
void trim_device_library();

}  // namespace ag::schedule
