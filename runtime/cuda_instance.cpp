// Instances on a device: their memory and stream, and running an entry.
#include <cstdlib>
#include <cstring>

#include "runtime/cuda_run.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

uint64_t arena_bytes_of(const CudaImage& image) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < image.description.entry_count; ++i) {
    if (image.entries[i].arena_bytes > most) most = image.entries[i].arena_bytes;
  }
  return most;
}

int allocate_memory(CudaInstance& instance, char* message) {
  const CudaImage& image = *instance.program->image;
  const CudaDevice& device = *instance.program->device;
  const CudaDriver& driver = device.driver;
  const char* name = image.description.name;
  const uint64_t arena_bytes = arena_bytes_of(image);
  CudaResult error = driver.stream_create(&instance.stream, kCudaStreamNonBlocking);
  if (error) return cuda_failed(device, name, "cuStreamCreate", error, message);
  if (arena_bytes) error = driver.allocate(&instance.arena, arena_bytes);
  if (error) return cuda_failed(device, name, "memory for the arena", error, message);
  if (image.state_bytes) error = driver.allocate(&instance.state, image.state_bytes);
  if (error) return cuda_failed(device, name, "memory for the state", error, message);
  if (!image.state_bytes) return ARGENT_OK;
  error = image.state ? driver.copy_to_device(instance.state, image.state, image.state_bytes,
                                              instance.stream)
                      : driver.set_bytes(instance.state, 0, image.state_bytes, instance.stream);
  if (!error) error = driver.stream_synchronize(instance.stream);
  return error ? cuda_failed(device, name, "filling the state", error, message) : ARGENT_OK;
}

int create(CudaInstance& instance, char* message) {
  const CudaImage& image = *instance.program->image;
  const CudaDevice& device = *instance.program->device;
  const uint32_t entries = image.description.entry_count;
  instance.captures = static_cast<CudaCapture*>(calloc(entries + 1, sizeof(CudaCapture)));
  bool complete = instance.captures != nullptr;
  for (uint32_t i = 0; complete && i < entries; ++i) {
    instance.captures[i].slots =
        static_cast<CudaPointer*>(calloc(kCudaMostSlots, sizeof(CudaPointer)));
    complete = instance.captures[i].slots != nullptr;
  }
  const char* name = image.description.name;
  if (!complete) return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", name);
  const CudaScope scope(device);
  if (scope.result()) {
    return cuda_failed(device, name, "cuCtxPushCurrent", scope.result(), message);
  }
  return allocate_memory(instance, message);
}

int launch_each(const CudaRun& run, CudaStreamHandle* on) {
  int code = ARGENT_OK;
  for (uint32_t i = 0; code == ARGENT_OK && i < run.entry.launch_count; ++i)
    code = run.launch(i, on);
  return code;
}

// On the instance's stream, whichever the run is for. Ends the capture whatever happened: a stream
// left capturing is of no use to anyone.
int capture(const CudaRun& run, CudaGraphExecHandle** exec) {
  const CudaDriver& driver = run.driver();
  CudaStreamHandle* stream = run.instance.stream;
  CudaResult error = driver.capture_begin(stream, kCudaCaptureThreadLocal);
  if (error) return run.failed("cuStreamBeginCapture", error);
  int code = launch_each(run, stream);
  CudaGraphHandle* graph = nullptr;
  error = driver.capture_end(stream, &graph);
  if (code == ARGENT_OK && error) code = run.failed("cuStreamEndCapture", error);
  if (code == ARGENT_OK) {
    error = driver.graph_instantiate(exec, graph, 0);
    if (error) code = run.failed("cuGraphInstantiate", error);
  }
  if (graph) driver.graph_destroy(graph);
  return code;
}

// A graph for the addresses of this run; null when the driver refuses, which is no error.
CudaGraphExecHandle* graph_of(const CudaRun& run, CudaCapture& kept) {
  const size_t bytes = run.slot_count() * sizeof(CudaPointer);
  if (kept.refused) return nullptr;
  if (kept.exec && memcmp(kept.slots, run.slots, bytes) == 0) return kept.exec;
  if (kept.exec) run.driver().graph_exec_destroy(kept.exec);
  kept.exec = nullptr;
  kept.refused = capture(run, &kept.exec) != ARGENT_OK;
  if (kept.refused) kept.exec = nullptr;
  memcpy(kept.slots, run.slots, bytes);
  return kept.exec;
}

int launch_entry(const CudaRun& run, CudaCapture& kept) {
  if (CudaGraphExecHandle* exec = graph_of(run, kept)) {
    const CudaResult error = run.driver().graph_launch(exec, run.stream);
    return error ? run.failed("cuGraphLaunch", error) : ARGENT_OK;
  }
  run.message[0] = 0;
  return launch_each(run, run.stream);
}

int run_entry(CudaRun& run, void* capture) {
  int code = ARGENT_OK;
  for (uint32_t i = 0; code == ARGENT_OK && i < run.entry.input_count; ++i)
    if (run.is_copied(i)) code = run.copy_input(i);
  if (code == ARGENT_OK) code = launch_entry(run, *static_cast<CudaCapture*>(capture));
  for (uint32_t i = run.entry.input_count; code == ARGENT_OK && i < run.slot_count(); ++i)
    if (run.is_copied(i)) code = run.copy_output(i);
  return code == ARGENT_OK && run.stream == run.instance.stream ? run.wait() : code;
}

}  // namespace

int cuda_create(CudaProgram* program, CudaInstance** result, char* message) {
  *result = nullptr;
  auto* instance = static_cast<CudaInstance*>(calloc(1, sizeof(CudaInstance)));
  if (!instance) return fail(message, ARGENT_OUT_OF_MEMORY, "create: out of memory");
  instance->program = program;
  const int code = create(*instance, message);
  if (code == ARGENT_OK)
    *result = instance;
  else
    cuda_destroy(instance);
  return code;
}

void cuda_destroy(CudaInstance* instance) {
  if (!instance) return;
  const CudaDevice& device = *instance->program->device;
  const CudaDriver& driver = device.driver;
  const uint32_t entries = instance->program->image->description.entry_count;
  {
    const CudaScope scope(device);
    for (uint32_t i = 0; instance->captures && i < entries; ++i) {
      if (instance->captures[i].exec) driver.graph_exec_destroy(instance->captures[i].exec);
      free(instance->captures[i].slots);
    }
    for (uint32_t i = 0; i < instance->event_count; ++i) driver.event_destroy(instance->events[i]);
    if (instance->state) driver.free(instance->state);
    if (instance->arena) driver.free(instance->arena);
    if (instance->stream) driver.stream_destroy(instance->stream);
  }
  free(instance->captures);
  free(instance->events);
  free(instance);
}

int cuda_run(CudaInstance* instance, uint32_t entry, const CudaTensor* tensors, uint32_t count,
             CudaStreamHandle* stream, char* message) {
  return with_cuda_run(*instance, entry, tensors, count, stream, message,
                       instance->captures + entry, run_entry);
}

}  // namespace ag::rt
