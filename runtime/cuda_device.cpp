// A device by its index, and its primary context.
#include <cstdlib>

#include "runtime/cuda.h"
#include "runtime/instance.h"

namespace ag::rt {

int cuda_failed(const CudaDevice& device, const char* name, const char* call, CudaResult error,
                char* message) {
  const int code = error == kCudaOutOfMemory ? ARGENT_OUT_OF_MEMORY : ARGENT_KERNEL_FAILED;
  return fail(message, code, "%s: %s on device %d (%s): %s", name, call, device.index, device.name,
              cuda_error_name(device.driver, error));
}

namespace {

struct Attribute {
  int number;
  int CudaDevice::*member;
};
constexpr Attribute kAttributes[] = {
    {kCudaThreadsPerBlock, &CudaDevice::most_threads},
    {kCudaSharedBytesPerBlock, &CudaDevice::most_shared_bytes},
    {kCudaMultiprocessors, &CudaDevice::multiprocessors},
    {kCudaClockKhz, &CudaDevice::clock_khz},
    {kCudaMemoryClockKhz, &CudaDevice::memory_clock_khz},
    {kCudaMemoryBusBits, &CudaDevice::memory_bus_bits},
};

CudaResult read_capability(CudaDevice& device) {
  int major = 0, minor = 0;
  const CudaDriver& driver = device.driver;
  CudaResult error = driver.device_attribute(&major, kCudaCapabilityMajor, device.device);
  if (!error) error = driver.device_attribute(&minor, kCudaCapabilityMinor, device.device);
  device.capability = 10 * major + minor;
  return error;
}

int read_properties(CudaDevice& device, char* message) {
  const CudaDriver& driver = device.driver;
  CudaResult error = driver.device_name(device.name, sizeof device.name, device.device);
  if (!error) error = read_capability(device);
  for (const Attribute& attribute : kAttributes) {
    if (error) break;
    error = driver.device_attribute(&(device.*attribute.member), attribute.number, device.device);
  }
  if (!error) error = driver.device_memory(&device.memory_bytes, device.device);
  return error ? cuda_failed(device, "open", "reading what the device is", error, message)
               : ARGENT_OK;
}

int find_device(CudaDevice& device, char* message) {
  const CudaDriver& driver = device.driver;
  int count = 0;
  CudaResult error = driver.device_count(&count);
  if (error) return cuda_failed(device, "open", "cuDeviceGetCount", error, message);
  if (count == 0) {
    return fail(message, ARGENT_UNSUPPORTED, "the CUDA driver finds no device on this machine");
  }
  if (device.index < 0 || device.index >= count) {
    return fail(message, ARGENT_BAD_ARGUMENT, "device %d asked for; there are %d, from 0 on",
                device.index, count);
  }
  error = driver.device_get(&device.device, device.index);
  return error ? cuda_failed(device, "open", "cuDeviceGet", error, message) : ARGENT_OK;
}

int open_device(CudaDevice& device, char* message) {
  int code = find_device(device, message);
  if (code == ARGENT_OK) code = read_properties(device, message);
  if (code != ARGENT_OK) return code;
  const CudaResult error = device.driver.context_retain(&device.context, device.device);
  return error ? cuda_failed(device, "open", "cuDevicePrimaryCtxRetain", error, message)
               : ARGENT_OK;
}

}  // namespace

int cuda_device_count(int* count, char* message) {
  CudaDriver driver;
  *count = 0;
  const int code = open_cuda_driver(&driver, message);
  if (code != ARGENT_OK) return code;
  const CudaResult error = driver.device_count(count);
  const int result = error ? fail(message, ARGENT_UNSUPPORTED, "cuDeviceGetCount: %s",
                                  cuda_error_name(driver, error))
                           : ARGENT_OK;
  close_cuda_driver(&driver);
  return result;
}

int cuda_chosen_device(int* index, char* message) {
  const char* text = getenv("ARGENT_CUDA_DEVICE");
  *index = 0;
  if (!text || !text[0]) return ARGENT_OK;
  char* end;
  const long value = strtol(text, &end, 10);
  if (*end == 0 && value >= 0 && value < 1'000'000) {
    *index = static_cast<int>(value);
    return ARGENT_OK;
  }
  return fail(message, ARGENT_BAD_ARGUMENT,
              "the environment variable ARGENT_CUDA_DEVICE is '%s', which is no device's index",
              text);
}

int cuda_capability(int index, int* capability, char* message) {
  CudaDevice device = {};
  device.index = index;
  int code = open_cuda_driver(&device.driver, message);
  if (code != ARGENT_OK) return code;
  code = find_device(device, message);
  const CudaResult error = code == ARGENT_OK ? read_capability(device) : 0;
  if (error) code = cuda_failed(device, "open", "reading what the device is", error, message);
  *capability = device.capability;
  close_cuda_driver(&device.driver);
  return code;
}

int cuda_open(int index, CudaDevice** result, char* message) {
  *result = nullptr;
  auto* device = static_cast<CudaDevice*>(calloc(1, sizeof(CudaDevice)));
  if (!device) return fail(message, ARGENT_OUT_OF_MEMORY, "open: out of memory");
  device->index = index;
  int code = open_cuda_driver(&device->driver, message);
  if (code == ARGENT_OK) code = open_device(*device, message);
  if (code == ARGENT_OK)
    *result = device;
  else
    cuda_close(device);
  return code;
}

void cuda_close(CudaDevice* device) {
  if (!device) return;
  if (device->context) device->driver.context_release(device->device);
  close_cuda_driver(&device->driver);
  free(device);
}

}  // namespace ag::rt
