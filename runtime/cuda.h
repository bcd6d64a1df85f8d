// Programs on NVIDIA GPUs: a device, a program on it, instances that run.
//
//   CudaDevice* device;      cuda_open(0, &device, message)         the driver, a primary context
//   CudaProgram* program;    cuda_load(device, image, &program, …)  modules, functions, weights
//   CudaInstance* instance;  cuda_create(program, &instance, …)     stream, arena, state
//   cuda_run(instance, 0, tensors, count, nullptr, …)
//
// An entry whose tensors are the same as before runs as a CUDA graph, captured in its first run; on
// a driver that cannot capture it, launch by launch. The C ABI over this is cuda_library.cpp. Every
// function returns an ARGENT_… code and writes a message of up to ARGENT_MESSAGE_BYTES; after an
// error nothing of what it made is left. One thread at a time may use an instance.
#pragma once

#include "runtime/cuda_driver.h"
#include "runtime/cuda_image.h"

namespace ag::rt {

struct CudaDevice {
  CudaDriver driver;
  CudaContextHandle* context;
  int device;
  int index;
  int capability;  // 80 for sm_80
  int most_threads, most_shared_bytes;
  int multiprocessors, clock_khz, memory_clock_khz, memory_bus_bits;
  size_t memory_bytes;
  char name[96];
};

struct CudaProgram {
  CudaDevice* device;
  const CudaImage* image;
  CudaModuleHandle** modules;
  // Of all entries' launches, one entry after the other; behind them those of prepare.
  CudaFunctionHandle** functions;
  uint32_t loaded;  // modules so far
  CudaPointer shared;
};

// A captured entry, for the addresses it was captured with.
struct CudaCapture {
  CudaGraphExecHandle* exec;  // null: none
  CudaPointer* slots;
  bool refused;  // the driver cannot capture it
};

struct CudaInstance {
  CudaProgram* program;
  CudaStreamHandle* stream;
  CudaPointer arena, state;
  CudaCapture* captures;     // by entry
  CudaEventHandle** events;  // before the first launch and after each; null: not timed
  uint32_t event_count;
};

// A tensor of the caller.
struct CudaTensor {
  void* data;
  uint64_t bytes;
  bool on_device;
};

// When a step of a run was at work, counted from the run's begin.
struct CudaStepSpan {
  uint64_t begin_ns, end_ns;
};

int cuda_device_count(int* count, char* message);
// The device that the environment variable ARGENT_CUDA_DEVICE names, else 0.
int cuda_chosen_device(int* index, char* message);
// A device's level, 80 for sm_80, without making a context.
int cuda_capability(int index, int* capability, char* message);
int cuda_open(int index, CudaDevice** device, char* message);
void cuda_close(CudaDevice* device);

// Loads the best form of each module that the device takes, the weights, and prepares them.
int cuda_load(CudaDevice* device, const CudaImage* image, CudaProgram** program, char* message);
void cuda_unload(CudaProgram* program);
// Again, after weights were changed in the device's memory.
int cuda_prepare(CudaProgram* program, char* message);

int cuda_create(CudaProgram* program, CudaInstance** instance, char* message);
void cuda_destroy(CudaInstance* instance);

// Inputs, then outputs. On the caller's stream nothing is waited for, so its tensors must be on the
// device; with a null stream the call returns when the outputs are there.
int cuda_run(CudaInstance* instance, uint32_t entry, const CudaTensor* tensors, uint32_t count,
             CudaStreamHandle* stream, char* message);

// Runs an entry once, launch by launch, with events between, and waits for it; tells when each step
// was at work.
int cuda_time(CudaInstance* instance, uint32_t entry, const CudaTensor* tensors, uint32_t count,
              CudaStreamHandle* stream, CudaStepSpan* spans, char* message);

// Makes a device's context current while it lives.
class CudaScope {
 public:
  explicit CudaScope(const CudaDevice& device)
      : driver_(device.driver), result_(driver_.context_push(device.context)) {}
  ~CudaScope() {
    CudaContextHandle* ignored;
    if (result_ == 0) driver_.context_pop(&ignored);
  }
  CudaResult result() const { return result_; }

 private:
  const CudaDriver& driver_;
  CudaResult result_;
};

// The message for a driver's error: "NAME: CALL on DEVICE: CUDA_ERROR_…"; an ARGENT_… code.
int cuda_failed(const CudaDevice& device, const char* name, const char* call, CudaResult error,
                char* message);

}  // namespace ag::rt
