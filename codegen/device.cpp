#include "codegen/device.h"

#include <fmt/format.h>

#include <memory>

#include "ir/diagnostics.h"
#include "runtime/cuda.h"

namespace ag {
namespace {

// f32 lanes of a multiprocessor, from NVIDIA's table of throughputs in the CUDA programming guide.
int lanes_of(int capability) { return capability / 10 < 8 || capability == 80 ? 64 : 128; }

}  // namespace

DeviceLimits device_limits() {
  char message[ARGENT_MESSAGE_BYTES] = {};
  int index = 0;
  rt::CudaDevice* opened = nullptr;
  int code = rt::cuda_chosen_device(&index, message);
  if (code == ARGENT_OK) code = rt::cuda_open(index, &opened, message);
  if (code != ARGENT_OK) throw CompileError(message);
  const std::unique_ptr<rt::CudaDevice, void (*)(rt::CudaDevice*)> device(opened, rt::cuda_close);
  DeviceLimits limits;
  limits.name = fmt::format("{}, sm_{}", device->name, device->capability);
  const double lanes = double{1} * lanes_of(device->capability) * device->multiprocessors;
  limits.gflops = 2 * lanes * device->clock_khz * 1e-6;
  // Two transfers a clock.
  limits.gb_per_s = 2.0 * device->memory_clock_khz * device->memory_bus_bits / 8 * 1e-6;
  return limits;
}

}  // namespace ag
