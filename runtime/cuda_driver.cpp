#include "runtime/cuda_driver.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "runtime/instance.h"

namespace ag::rt {
namespace {

struct Function {
  const char* symbol;
  size_t member;  // its place in CudaDriver
};

constexpr Function kFunctions[] = {
    {"cuInit", offsetof(CudaDriver, init)},
    {"cuDriverGetVersion", offsetof(CudaDriver, driver_version)},
    {"cuGetErrorName", offsetof(CudaDriver, error_name)},
    {"cuDeviceGetCount", offsetof(CudaDriver, device_count)},
    {"cuDeviceGet", offsetof(CudaDriver, device_get)},
    {"cuDeviceGetName", offsetof(CudaDriver, device_name)},
    {"cuDeviceGetAttribute", offsetof(CudaDriver, device_attribute)},
    {"cuDeviceTotalMem_v2", offsetof(CudaDriver, device_memory)},
    {"cuDevicePrimaryCtxRetain", offsetof(CudaDriver, context_retain)},
    {"cuDevicePrimaryCtxRelease_v2", offsetof(CudaDriver, context_release)},
    {"cuCtxPushCurrent_v2", offsetof(CudaDriver, context_push)},
    {"cuCtxPopCurrent_v2", offsetof(CudaDriver, context_pop)},
    {"cuModuleLoadDataEx", offsetof(CudaDriver, module_load)},
    {"cuModuleUnload", offsetof(CudaDriver, module_unload)},
    {"cuModuleGetFunction", offsetof(CudaDriver, module_function)},
    {"cuMemAlloc_v2", offsetof(CudaDriver, allocate)},
    {"cuMemFree_v2", offsetof(CudaDriver, free)},
    {"cuMemcpyHtoDAsync_v2", offsetof(CudaDriver, copy_to_device)},
    {"cuMemcpyDtoHAsync_v2", offsetof(CudaDriver, copy_to_host)},
    {"cuMemcpyDtoDAsync_v2", offsetof(CudaDriver, copy_on_device)},
    {"cuPointerGetAttribute", offsetof(CudaDriver, pointer_attribute)},
    {"cuMemsetD8Async", offsetof(CudaDriver, set_bytes)},
    {"cuStreamCreate", offsetof(CudaDriver, stream_create)},
    {"cuStreamDestroy_v2", offsetof(CudaDriver, stream_destroy)},
    {"cuStreamSynchronize", offsetof(CudaDriver, stream_synchronize)},
    {"cuStreamBeginCapture_v2", offsetof(CudaDriver, capture_begin)},
    {"cuStreamEndCapture", offsetof(CudaDriver, capture_end)},
    {"cuGraphInstantiateWithFlags", offsetof(CudaDriver, graph_instantiate)},
    {"cuGraphLaunch", offsetof(CudaDriver, graph_launch)},
    {"cuGraphExecDestroy", offsetof(CudaDriver, graph_exec_destroy)},
    {"cuGraphDestroy", offsetof(CudaDriver, graph_destroy)},
    {"cuEventCreate", offsetof(CudaDriver, event_create)},
    {"cuEventDestroy_v2", offsetof(CudaDriver, event_destroy)},
    {"cuEventRecord", offsetof(CudaDriver, event_record)},
    {"cuEventElapsedTime", offsetof(CudaDriver, event_elapsed)},
    {"cuLaunchKernel", offsetof(CudaDriver, launch)},
};

const char* driver_path() {
  const char* path = getenv("ARGENT_CUDA_DRIVER");
  return path && path[0] ? path : "libcuda.so.1";
}

// The version is asked before all functions are there: an old driver lacks some.
int check_version(CudaDriver& driver, char* message) {
  void* symbol = dlsym(driver.library, "cuDriverGetVersion");
  memcpy(&driver.driver_version, &symbol, sizeof symbol);
  int version = 0;
  if (!symbol || driver.driver_version(&version) != 0) {
    return fail(message, ARGENT_UNSUPPORTED, "%s is no CUDA driver: it tells no version",
                driver_path());
  }
  if (version >= kCudaOldestDriver) return ARGENT_OK;
  return fail(message, ARGENT_UNSUPPORTED,
              "the CUDA driver is for CUDA %d.%d; needed is %d.%d or later: update the driver",
              version / 1000, version % 1000 / 10, kCudaOldestDriver / 1000,
              kCudaOldestDriver % 1000 / 10);
}

int find_functions(CudaDriver& driver, char* message) {
  for (const Function& function : kFunctions) {
    void* symbol = dlsym(driver.library, function.symbol);
    if (!symbol) {
      return fail(message, ARGENT_UNSUPPORTED, "the CUDA driver %s has no function %s",
                  driver_path(), function.symbol);
    }
    memcpy(reinterpret_cast<char*>(&driver) + function.member, &symbol, sizeof symbol);
  }
  return ARGENT_OK;
}

int initialise(CudaDriver& driver, char* message) {
  int code = check_version(driver, message);
  if (code == ARGENT_OK) code = find_functions(driver, message);
  if (code != ARGENT_OK) return code;
  const CudaResult result = driver.init(0);
  if (result == 0) return ARGENT_OK;
  return fail(message, ARGENT_UNSUPPORTED, "the CUDA driver does not start: cuInit: %s",
              cuda_error_name(driver, result));
}

}  // namespace

const char* cuda_error_name(const CudaDriver& driver, CudaResult error) {
  const char* name = nullptr;
  return driver.error_name(error, &name) == 0 && name ? name : "an error without a name";
}

int open_cuda_driver(CudaDriver* driver, char* message) {
  *driver = {};
  driver->library = dlopen(driver_path(), RTLD_NOW | RTLD_LOCAL);
  if (!driver->library) {
    return fail(message, ARGENT_UNSUPPORTED, "no CUDA driver on this machine: %s", dlerror());
  }
  const int code = initialise(*driver, message);
  if (code != ARGENT_OK) close_cuda_driver(driver);
  return code;
}

void close_cuda_driver(CudaDriver* driver) {
  if (driver->library) dlclose(driver->library);
  driver->library = nullptr;
}

}  // namespace ag::rt
