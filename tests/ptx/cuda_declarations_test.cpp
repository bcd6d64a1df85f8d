// The driver's declarations in runtime/cuda_driver.h against NVIDIA's own header, where a CUDA
// toolkit is installed: as many parameters, of the same sizes, and the same numbers.
#include <cuda.h>
#include <doctest/doctest.h>

#include <type_traits>

#include "runtime/cuda_driver.h"

using namespace ag::rt;

namespace {

template <class A, class B>
constexpr bool is_passed_alike() {
  return sizeof(A) == sizeof(B) && (std::is_pointer_v<A>) == (std::is_pointer_v<B>);
}

template <class Theirs, class Ours>
struct Declaration : std::false_type {};

template <class R, class... A, class S, class... B>
struct Declaration<R (*)(A...), S (*)(B...)> {
  static constexpr bool same() {
    if constexpr (sizeof...(A) == sizeof...(B))
      return sizeof(R) == sizeof(S) && (true && ... && is_passed_alike<A, B>());
    return false;
  }
  static constexpr bool value = same();
};

}  // namespace

#define AG_SAME(symbol, member) \
  CHECK((Declaration<decltype(&symbol), decltype(CudaDriver::member)>::value))
#define AG_EQUAL(theirs, ours) CHECK(static_cast<int>(theirs) == static_cast<int>(ours))

TEST_CASE("functions have their parameters") {
  AG_SAME(cuInit, init);
  AG_SAME(cuDriverGetVersion, driver_version);
  AG_SAME(cuGetErrorName, error_name);
  AG_SAME(cuDeviceGetCount, device_count);
  AG_SAME(cuDeviceGet, device_get);
  AG_SAME(cuDeviceGetName, device_name);
  AG_SAME(cuDeviceGetAttribute, device_attribute);
  AG_SAME(cuDeviceTotalMem_v2, device_memory);
  AG_SAME(cuDevicePrimaryCtxRetain, context_retain);
  AG_SAME(cuDevicePrimaryCtxRelease_v2, context_release);
  AG_SAME(cuCtxPushCurrent_v2, context_push);
  AG_SAME(cuCtxPopCurrent_v2, context_pop);
  AG_SAME(cuModuleLoadDataEx, module_load);
  AG_SAME(cuModuleUnload, module_unload);
  AG_SAME(cuModuleGetFunction, module_function);
  AG_SAME(cuMemAlloc_v2, allocate);
  AG_SAME(cuMemFree_v2, free);
  AG_SAME(cuMemcpyHtoDAsync_v2, copy_to_device);
  AG_SAME(cuMemcpyDtoHAsync_v2, copy_to_host);
  AG_SAME(cuMemcpyDtoDAsync_v2, copy_on_device);
  AG_SAME(cuPointerGetAttribute, pointer_attribute);
  AG_SAME(cuMemsetD8Async, set_bytes);
  AG_SAME(cuStreamCreate, stream_create);
  AG_SAME(cuStreamDestroy_v2, stream_destroy);
  AG_SAME(cuStreamSynchronize, stream_synchronize);
  AG_SAME(cuStreamBeginCapture_v2, capture_begin);
  AG_SAME(cuStreamEndCapture, capture_end);
  AG_SAME(cuGraphInstantiateWithFlags, graph_instantiate);
  AG_SAME(cuGraphLaunch, graph_launch);
  AG_SAME(cuGraphExecDestroy, graph_exec_destroy);
  AG_SAME(cuGraphDestroy, graph_destroy);
  AG_SAME(cuEventCreate, event_create);
  AG_SAME(cuEventDestroy_v2, event_destroy);
  AG_SAME(cuEventRecord, event_record);
  AG_SAME(cuEventElapsedTime, event_elapsed);
  AG_SAME(cuLaunchKernel, launch);
}

TEST_CASE("numbers are those of the header") {
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, kCudaThreadsPerBlock);
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, kCudaSharedBytesPerBlock);
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_CLOCK_RATE, kCudaClockKhz);
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, kCudaMultiprocessors);
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, kCudaMemoryClockKhz);
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, kCudaMemoryBusBits);
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, kCudaCapabilityMajor);
  AG_EQUAL(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, kCudaCapabilityMinor);
  AG_EQUAL(CU_POINTER_ATTRIBUTE_MEMORY_TYPE, kCudaPointerMemory);
  AG_EQUAL(CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, kCudaPointerDevice);
  AG_EQUAL(CU_MEMORYTYPE_DEVICE, kCudaDeviceMemory);
  AG_EQUAL(CU_STREAM_NON_BLOCKING, kCudaStreamNonBlocking);
  AG_EQUAL(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, kCudaCaptureThreadLocal);
  AG_EQUAL(CU_JIT_ERROR_LOG_BUFFER, kCudaJitErrorLog);
  AG_EQUAL(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, kCudaJitErrorLogBytes);
  AG_EQUAL(CUDA_ERROR_INVALID_VALUE, kCudaInvalidValue);
  AG_EQUAL(CUDA_ERROR_OUT_OF_MEMORY, kCudaOutOfMemory);
  AG_EQUAL(CUDA_ERROR_NO_BINARY_FOR_GPU, kCudaNoBinaryForGpu);
  AG_EQUAL(CUDA_ERROR_INVALID_PTX, kCudaInvalidPtx);
  AG_EQUAL(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, kCudaUnsupportedPtx);
}
