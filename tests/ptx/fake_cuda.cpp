#include "tests/ptx/fake_cuda.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>

#include "tests/ptx/fake_driver.h"

using namespace ag::ptx;

namespace {

CudaResult run_kernel(const Function& function, Dim3 grid, Dim3 block, uint32_t shared,
                      const Arguments& arguments) {
  driver()->clock += kLaunchMilliseconds;
  const Outcome outcome =
      driver()->machine.launch(*function.module, function.name, grid, block, shared, arguments);
  driver()->fake.reports += outcome.text();
  return outcome.reports.count ? kIllegalAddress : 0;
}

}  // namespace

extern "C" {

CudaResult cuInit(unsigned) { return enter("cuInit", false); }

CudaResult cuDriverGetVersion(int* version) {
  *version = driver()->fake.driver_version;
  return enter("cuDriverGetVersion", false);
}

CudaResult cuGetErrorName(CudaResult error, const char** name) {
  switch (error) {
    case 2: *name = "CUDA_ERROR_OUT_OF_MEMORY"; return 0;
    case kInvalidPtx: *name = "CUDA_ERROR_INVALID_PTX"; return 0;
    case kUnsupportedPtx: *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"; return 0;
    case kIllegalAddress: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; return 0;
    case kNotFound: *name = "CUDA_ERROR_NOT_FOUND"; return 0;
    case 999: *name = "CUDA_ERROR_UNKNOWN"; return 0;
    default: *name = "CUDA_ERROR_OTHER"; return 0;
  }
}

CudaResult cuDeviceGetCount(int* count) {
  *count = driver()->fake.devices;
  return enter("cuDeviceGetCount", false);
}

CudaResult cuDeviceGet(int* device, int index) {
  *device = kFirstDevice + index;  // no index: mixing the two up shows
  return enter(fmt::format("cuDeviceGet {}", index), false);
}

CudaResult cuDeviceGetName(char* name, int bytes, int device) {
  snprintf(name, static_cast<size_t>(bytes), "Fake %d", device);
  return enter("cuDeviceGetName", false);
}

CudaResult cuDeviceGetAttribute(int* value, int attribute, int) {
  const FakeCuda& fake = driver()->fake;
  switch (attribute) {
    case ag::rt::kCudaCapabilityMajor: *value = fake.capability / 10; break;
    case ag::rt::kCudaCapabilityMinor: *value = fake.capability % 10; break;
    case ag::rt::kCudaThreadsPerBlock: *value = fake.threads_per_block; break;
    case ag::rt::kCudaSharedBytesPerBlock: *value = fake.shared_bytes_per_block; break;
    case ag::rt::kCudaMultiprocessors: *value = 2; break;
    case ag::rt::kCudaClockKhz: *value = 1'000'000; break;
    case ag::rt::kCudaMemoryClockKhz: *value = 1'000'000; break;
    case ag::rt::kCudaMemoryBusBits: *value = 64; break;
    default: return kInvalidValue;
  }
  return enter(fmt::format("cuDeviceGetAttribute {}", attribute), false);
}

CudaResult cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = driver()->fake.memory_bytes;
  return enter("cuDeviceTotalMem_v2", false);
}

CudaResult cuDevicePrimaryCtxRetain(ag::rt::CudaContextHandle** context, int device) {
  const CudaResult error = enter(fmt::format("cuDevicePrimaryCtxRetain {}", device), false);
  if (error) return error;
  Context* known = context_of(device);
  if (!known) return driver()->contexts.add(context, {device});
  ++known->retained;
  *context = reinterpret_cast<ag::rt::CudaContextHandle*>(known);
  return 0;
}

CudaResult cuDevicePrimaryCtxRelease_v2(int device) {
  enter(fmt::format("cuDevicePrimaryCtxRelease_v2 {}", device), false);
  Context* context = context_of(device);
  if (!context) return kInvalidValue;
  return --context->retained == 0 ? driver()->contexts.remove(context) : 0;
}

CudaResult cuCtxPushCurrent_v2(ag::rt::CudaContextHandle* handle) {
  const CudaResult error = enter("cuCtxPushCurrent_v2", false);
  if (error) return error;
  const Context* context = driver()->contexts.find(handle);
  if (!context) return kInvalidContext;
  driver()->current.push_back(*context);
  return 0;
}

CudaResult cuCtxPopCurrent_v2(ag::rt::CudaContextHandle** context) {
  enter("cuCtxPopCurrent_v2");
  *context = nullptr;
  if (driver()->current.empty()) return kInvalidContext;
  driver()->current.pop_back();
  return 0;
}

CudaResult cuModuleLoadDataEx(ag::rt::CudaModuleHandle** module, const void* image, unsigned count,
                              int* options, void** values) {
  const auto* text = static_cast<const char*>(image);
  if (memcmp(text,
             "\x7f"
             "ELF",
             4) == 0) {  // a cubin: the machine runs PTX alone
    const CudaResult error = enter("cuModuleLoadDataEx cubin");
    return error ? error : kNoBinary;
  }
  const CudaResult error = enter(fmt::format("cuModuleLoadDataEx {}", strlen(text)));
  if (error) return error;
  try {
    const Module& loaded = driver()->machine.load(text);
    if (loaded.version > driver()->fake.newest_ptx) return kUnsupportedPtx;
    return driver()->modules.add(module, {&loaded, {}});
  } catch (const PtxError& wrong) {
    for (unsigned i = 0; i + 1 < count; ++i) {
      if (options[i] != ag::rt::kCudaJitErrorLog) continue;
      snprintf(static_cast<char*>(values[i]), reinterpret_cast<size_t>(values[i + 1]), "%s",
               wrong.what());
    }
    return kInvalidPtx;
  }
}

CudaResult cuModuleUnload(ag::rt::CudaModuleHandle* module) {
  enter("cuModuleUnload");
  return driver()->modules.remove(module);
}

CudaResult cuModuleGetFunction(ag::rt::CudaFunctionHandle** function,
                               ag::rt::CudaModuleHandle* handle, const char* name) {
  const CudaResult error = enter(fmt::format("cuModuleGetFunction {}", name));
  if (error) return error;
  LoadedModule* module = driver()->modules.find(handle);
  if (!module) return kInvalidValue;
  if (!module->module->kernels.contains(name)) return kNotFound;
  module->functions.push_back({module->module, name});
  *function = reinterpret_cast<ag::rt::CudaFunctionHandle*>(&module->functions.back());
  return 0;
}

CudaResult cuMemAlloc_v2(CudaPointer* address, size_t bytes) {
  const CudaResult error = enter(fmt::format("cuMemAlloc_v2 {}", bytes));
  if (error) return error;
  *address = driver()->machine.allocate(bytes);
  driver()->allocations[*address] = driver()->current.back().device;
  return 0;
}

CudaResult cuMemFree_v2(CudaPointer address) {
  enter("cuMemFree_v2");
  driver()->allocations.erase(address);
  return driver()->machine.free(address) ? 0 : kInvalidValue;
}

CudaResult cuMemcpyHtoDAsync_v2(CudaPointer destination, const void* source, size_t bytes,
                                ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemcpyHtoDAsync_v2 {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      driver()->clock += kCopyMilliseconds;
      driver()->machine.write(destination, source, bytes);
      return 0;
    });
  });
}

CudaResult cuMemcpyDtoHAsync_v2(void* destination, CudaPointer source, size_t bytes,
                                ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemcpyDtoHAsync_v2 {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      driver()->clock += kCopyMilliseconds;
      driver()->machine.read(source, destination, bytes);
      return 0;
    });
  });
}

CudaResult cuMemcpyDtoDAsync_v2(CudaPointer destination, CudaPointer source, size_t bytes,
                                ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemcpyDtoDAsync_v2 {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      std::vector<unsigned char> values(bytes);
      driver()->machine.read(source, values.data(), bytes);
      driver()->machine.write(destination, values.data(), bytes);
      return 0;
    });
  });
}

// The driver knows what it allocated; the host's memory it does not.
CudaResult cuPointerGetAttribute(void* value, int attribute, CudaPointer pointer) {
  const CudaResult error = enter(fmt::format("cuPointerGetAttribute {}", attribute));
  if (error) return error;
  if (!driver()->machine.holds(pointer)) return kInvalidValue;
  const auto allocation = std::prev(driver()->allocations.upper_bound(pointer));
  if (attribute == ag::rt::kCudaPointerMemory)
    *static_cast<unsigned*>(value) = ag::rt::kCudaDeviceMemory;
  else if (attribute == ag::rt::kCudaPointerDevice)
    *static_cast<int*>(value) = allocation->second - kFirstDevice;
  else
    return kInvalidValue;
  return 0;
}

CudaResult cuMemsetD8Async(CudaPointer destination, unsigned char value, size_t bytes,
                           ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemsetD8Async {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      const std::vector<unsigned char> values(bytes, value);
      driver()->machine.write(destination, values.data(), bytes);
      return 0;
    });
  });
}

CudaResult cuStreamCreate(ag::rt::CudaStreamHandle** stream, unsigned) {
  const CudaResult error = enter("cuStreamCreate");
  return error ? error : driver()->streams.add(stream, {});
}

CudaResult cuStreamDestroy_v2(ag::rt::CudaStreamHandle* stream) {
  enter("cuStreamDestroy_v2");
  return driver()->streams.remove(stream);
}

CudaResult cuStreamSynchronize(ag::rt::CudaStreamHandle*) { return enter("cuStreamSynchronize"); }

CudaResult cuStreamBeginCapture_v2(ag::rt::CudaStreamHandle* handle, unsigned) {
  const CudaResult error = enter("cuStreamBeginCapture_v2");
  if (error) return error;
  Stream* stream = driver()->streams.find(handle);
  if (!stream || stream->capturing) return kInvalidValue;
  if (!driver()->fake.captures) return kCaptureUnsupported;
  stream->capturing = std::make_unique<Graph>();
  return 0;
}

// The capture is over even where the call is to fail.
CudaResult cuStreamEndCapture(ag::rt::CudaStreamHandle* handle, ag::rt::CudaGraphHandle** graph) {
  const CudaResult error = enter("cuStreamEndCapture");
  Stream* stream = driver()->streams.find(handle);
  if (!stream || !stream->capturing) return kInvalidValue;
  const std::unique_ptr<Graph> captured = std::move(stream->capturing);
  return error ? error : driver()->graphs.add(graph, std::move(*captured));
}

CudaResult cuGraphInstantiateWithFlags(ag::rt::CudaGraphExecHandle** exec,
                                       ag::rt::CudaGraphHandle* handle, unsigned long long) {
  const CudaResult error = enter("cuGraphInstantiateWithFlags");
  if (error) return error;
  Graph* graph = driver()->graphs.find(handle);
  return graph ? driver()->execs.add(exec, *graph) : kInvalidValue;
}

CudaResult cuGraphLaunch(ag::rt::CudaGraphExecHandle* exec, ag::rt::CudaStreamHandle*) {
  CudaResult error = enter("cuGraphLaunch");
  if (error) return error;
  Graph* graph = driver()->execs.find(exec);
  if (!graph) return kInvalidValue;
  for (const Work& node : graph->nodes) {
    if (!error) error = guarded(node);
  }
  return error;
}

CudaResult cuGraphExecDestroy(ag::rt::CudaGraphExecHandle* exec) {
  enter("cuGraphExecDestroy");
  return driver()->execs.remove(exec);
}

CudaResult cuGraphDestroy(ag::rt::CudaGraphHandle* graph) {
  enter("cuGraphDestroy");
  return driver()->graphs.remove(graph);
}

CudaResult cuEventCreate(ag::rt::CudaEventHandle** event, unsigned) {
  const CudaResult error = enter("cuEventCreate");
  return error ? error : driver()->events.add(event, {});
}

CudaResult cuEventDestroy_v2(ag::rt::CudaEventHandle* event) {
  enter("cuEventDestroy_v2");
  return driver()->events.remove(event);
}

CudaResult cuEventRecord(ag::rt::CudaEventHandle* event, ag::rt::CudaStreamHandle*) {
  const CudaResult error = enter("cuEventRecord");
  if (error) return error;
  driver()->events.find(event)->milliseconds = driver()->clock;
  return 0;
}

CudaResult cuEventElapsedTime(float* milliseconds, ag::rt::CudaEventHandle* start,
                              ag::rt::CudaEventHandle* end) {
  const CudaResult error = enter("cuEventElapsedTime");
  if (error) return error;
  *milliseconds = static_cast<float>(driver()->events.find(end)->milliseconds -
                                     driver()->events.find(start)->milliseconds);
  return 0;
}

CudaResult cuLaunchKernel(ag::rt::CudaFunctionHandle* handle, unsigned blocks_x, unsigned blocks_y,
                          unsigned blocks_z, unsigned threads_x, unsigned threads_y,
                          unsigned threads_z, unsigned shared_bytes,
                          ag::rt::CudaStreamHandle* stream, void** arguments, void**) {
  const Function function = *reinterpret_cast<Function*>(handle);
  const Dim3 grid{blocks_x, blocks_y, blocks_z}, block{threads_x, threads_y, threads_z};
  const CudaResult error =
      enter(fmt::format("cuLaunchKernel {} {} {}", function.name, grid.count(), block.count()));
  if (error) return error;
  // Copied now: a graph runs long after the caller's array is gone.
  Arguments values;
  const Kernel& kernel = function.module->kernels.at(function.name);
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    values.add(arguments[i], kernel.parameters[i].bytes);
  }
  return guarded([&] {
    return submit(stream, [=] { return run_kernel(function, grid, block, shared_bytes, values); });
  });
}
}
