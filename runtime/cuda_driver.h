// CUDA's driver API, declared here from its public documentation and opened at run time: a program
// for GPUs starts, and says what is missing, on a machine without one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ag::rt {

using CudaResult = int;  // 0: success
using CudaPointer = uint64_t;
struct CudaContextHandle;
struct CudaModuleHandle;
struct CudaFunctionHandle;
struct CudaStreamHandle;
struct CudaEventHandle;
struct CudaGraphHandle;
struct CudaGraphExecHandle;

inline constexpr CudaResult kCudaInvalidValue = 1, kCudaOutOfMemory = 2, kCudaNoBinaryForGpu = 209,
                            kCudaInvalidPtx = 218, kCudaUnsupportedPtx = 222;

// Device attributes and flags, by their documented numbers.
inline constexpr int kCudaThreadsPerBlock = 1, kCudaSharedBytesPerBlock = 8, kCudaClockKhz = 13,
                     kCudaMultiprocessors = 16, kCudaMemoryClockKhz = 36, kCudaMemoryBusBits = 37,
                     kCudaCapabilityMajor = 75, kCudaCapabilityMinor = 76;
// Attributes of a pointer, and the value of the first for the device's memory.
inline constexpr int kCudaPointerMemory = 2, kCudaPointerDevice = 9;
inline constexpr unsigned kCudaDeviceMemory = 2;
inline constexpr unsigned kCudaStreamNonBlocking = 1, kCudaCaptureThreadLocal = 1;
inline constexpr int kCudaJitErrorLog = 5, kCudaJitErrorLogBytes = 6;

// The oldest driver that has all of the functions below: CUDA 11.4.
inline constexpr int kCudaOldestDriver = 11040;

// Each member is the function cu… of the same name; kFunctions in cuda_driver.cpp has the symbols.
struct CudaDriver {
  CudaResult (*init)(unsigned flags);
  CudaResult (*driver_version)(int* version);
  CudaResult (*error_name)(CudaResult error, const char** name);
  CudaResult (*device_count)(int* count);
  CudaResult (*device_get)(int* device, int index);
  CudaResult (*device_name)(char* name, int bytes, int device);
  CudaResult (*device_attribute)(int* value, int attribute, int device);
  CudaResult (*device_memory)(size_t* bytes, int device);
  CudaResult (*context_retain)(CudaContextHandle** context, int device);
  CudaResult (*context_release)(int device);
  CudaResult (*context_push)(CudaContextHandle* context);
  CudaResult (*context_pop)(CudaContextHandle** context);
  CudaResult (*module_load)(CudaModuleHandle** module, const void* image, unsigned option_count,
                            int* options, void** values);
  CudaResult (*module_unload)(CudaModuleHandle* module);
  CudaResult (*module_function)(CudaFunctionHandle** function, CudaModuleHandle* module,
                                const char* name);
  CudaResult (*allocate)(CudaPointer* address, size_t bytes);
  CudaResult (*free)(CudaPointer address);
  CudaResult (*copy_to_device)(CudaPointer destination, const void* source, size_t bytes,
                               CudaStreamHandle* stream);
  CudaResult (*copy_to_host)(void* destination, CudaPointer source, size_t bytes,
                             CudaStreamHandle* stream);
  CudaResult (*copy_on_device)(CudaPointer destination, CudaPointer source, size_t bytes,
                               CudaStreamHandle* stream);
  CudaResult (*pointer_attribute)(void* value, int attribute, CudaPointer pointer);
  CudaResult (*set_bytes)(CudaPointer destination, unsigned char value, size_t bytes,
                          CudaStreamHandle* stream);
  CudaResult (*stream_create)(CudaStreamHandle** stream, unsigned flags);
  CudaResult (*stream_destroy)(CudaStreamHandle* stream);
  CudaResult (*stream_synchronize)(CudaStreamHandle* stream);
  CudaResult (*capture_begin)(CudaStreamHandle* stream, unsigned mode);
  CudaResult (*capture_end)(CudaStreamHandle* stream, CudaGraphHandle** graph);
  CudaResult (*graph_instantiate)(CudaGraphExecHandle** exec, CudaGraphHandle* graph,
                                  unsigned long long flags);
  CudaResult (*graph_launch)(CudaGraphExecHandle* exec, CudaStreamHandle* stream);
  CudaResult (*graph_exec_destroy)(CudaGraphExecHandle* exec);
  CudaResult (*graph_destroy)(CudaGraphHandle* graph);
  CudaResult (*event_create)(CudaEventHandle** event, unsigned flags);
  CudaResult (*event_destroy)(CudaEventHandle* event);
  CudaResult (*event_record)(CudaEventHandle* event, CudaStreamHandle* stream);
  CudaResult (*event_elapsed)(float* milliseconds, CudaEventHandle* start, CudaEventHandle* end);
  CudaResult (*launch)(CudaFunctionHandle* function, unsigned blocks_x, unsigned blocks_y,
                       unsigned blocks_z, unsigned threads_x, unsigned threads_y,
                       unsigned threads_z, unsigned shared_bytes, CudaStreamHandle* stream,
                       void** arguments, void** extra);
  void* library;
};

// Opens libcuda.so.1, or what the environment variable ARGENT_CUDA_DRIVER names, and initialises
// it. An ARGENT_… code; `message` (ARGENT_MESSAGE_BYTES) says why not.
int open_cuda_driver(CudaDriver* driver, char* message);
void close_cuda_driver(CudaDriver* driver);

// "CUDA_ERROR_OUT_OF_MEMORY"; never null.
const char* cuda_error_name(const CudaDriver& driver, CudaResult error);

}  // namespace ag::rt
