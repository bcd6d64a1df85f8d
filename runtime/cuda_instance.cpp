// Instances on a device: their memory and stream, and running an entry.
#include <cstdlib>
#include <cstring>

#include "runtime/cuda.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

// A run, from the caller's tensors to addresses.
struct Run {
  CudaInstance& instance;
  const CudaEntryRecord& entry;
  CudaFunctionHandle** functions;
  CudaStreamHandle* stream;
  const CudaTensor* tensors;
  CudaPointer slots[kCudaMostSlots];
  char* message;

  const CudaDevice& device() const { return *instance.program->device; }
  const CudaDriver& driver() const { return device().driver; }
  uint32_t slot_count() const { return entry.input_count + entry.output_count; }
  int failed(const char* call, CudaResult error) {
    return cuda_failed(device(), entry.name, call, error, message);
  }
};

int allocate_memory(CudaInstance& instance, char* message) {
  const CudaImage& image = *instance.program->image;
  const CudaDevice& device = *instance.program->device;
  const CudaDriver& driver = device.driver;
  CudaResult error = driver.stream_create(&instance.stream, kCudaStreamNonBlocking);
  if (error) return cuda_failed(device, image.name, "cuStreamCreate", error, message);
  if (image.arena_bytes) error = driver.allocate(&instance.arena, image.arena_bytes);
  if (error) return cuda_failed(device, image.name, "memory for the arena", error, message);
  if (image.state_bytes) error = driver.allocate(&instance.state, image.state_bytes);
  if (error) return cuda_failed(device, image.name, "memory for the state", error, message);
  if (!image.state_bytes) return ARGENT_OK;
  error = image.state ? driver.copy_to_device(instance.state, image.state, image.state_bytes,
                                              instance.stream)
                      : driver.set_bytes(instance.state, 0, image.state_bytes, instance.stream);
  if (!error) error = driver.stream_synchronize(instance.stream);
  return error ? cuda_failed(device, image.name, "filling the state", error, message) : ARGENT_OK;
}

int create(CudaInstance& instance, char* message) {
  const CudaImage& image = *instance.program->image;
  const CudaDevice& device = *instance.program->device;
  instance.captures = static_cast<CudaCapture*>(calloc(image.entry_count + 1, sizeof(CudaCapture)));
  bool complete = instance.captures != nullptr;
  for (uint32_t i = 0; complete && i < image.entry_count; ++i) {
    instance.captures[i].slots =
        static_cast<CudaPointer*>(calloc(kCudaMostSlots, sizeof(CudaPointer)));
    complete = instance.captures[i].slots != nullptr;
  }
  if (!complete) return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image.name);
  const CudaScope scope(device);
  if (scope.result()) {
    return cuda_failed(device, image.name, "cuCtxPushCurrent", scope.result(), message);
  }
  return allocate_memory(instance, message);
}

int check_tensors(Run& run, uint32_t count) {
  if (count != run.slot_count() || count > kCudaMostSlots) {
    return fail(run.message, ARGENT_BAD_ARGUMENT,
                "%s: %u tensors given; it has %u inputs and %u outputs", run.entry.name, count,
                run.entry.input_count, run.entry.output_count);
  }
  for (uint32_t i = 0; i < count; ++i) {
    const CudaSlotRecord& slot = run.entry.slots[i];
    const CudaTensor& tensor = run.tensors[i];
    if (!tensor.data) {
      return fail(run.message, ARGENT_BAD_ARGUMENT, "%s: %s is null", run.entry.name, slot.name);
    }
    if (tensor.bytes != slot.bytes) {
      return fail(run.message, ARGENT_BAD_SIZE, "%s: %s has %llu bytes, not %llu", run.entry.name,
                  slot.name, static_cast<unsigned long long>(tensor.bytes),
                  static_cast<unsigned long long>(slot.bytes));
    }
    if (!tensor.on_device && run.stream != run.instance.stream) {
      return fail(run.message, ARGENT_BAD_ARGUMENT,
                  "%s: %s is in host memory; on a stream of the caller's all must be on the device",
                  run.entry.name, slot.name);
    }
    run.slots[i] = tensor.on_device ? reinterpret_cast<CudaPointer>(tensor.data)
                                    : run.instance.arena + slot.staging;
  }
  return ARGENT_OK;
}

CudaPointer address_of(const Run& run, const CudaArgumentRecord& argument) {
  const CudaInstance& instance = run.instance;
  switch (argument.storage) {
    case kCudaArena: return instance.arena + argument.offset;
    case kCudaState: return instance.state + argument.offset;
    case kCudaShared: return instance.program->shared + argument.offset;
    default: return run.slots[argument.slot] + argument.offset;
  }
}

CudaResult launch(Run& run, uint32_t index) {
  const CudaLaunchRecord& record = run.entry.launches[index];
  CudaPointer addresses[kCudaMostArguments];
  void* arguments[kCudaMostArguments];
  for (uint32_t i = 0; i < record.argument_count; ++i) {
    addresses[i] = address_of(run, record.arguments[i]);
    arguments[i] = &addresses[i];
  }
  return run.driver().launch(
      run.functions[index], record.blocks[0], record.blocks[1], record.blocks[2], record.threads[0],
      record.threads[1], record.threads[2], record.shared_bytes, run.stream, arguments, nullptr);
}

int launch_each(Run& run) {
  for (uint32_t i = 0; i < run.entry.launch_count; ++i) {
    const CudaResult error = launch(run, i);
    if (error) return run.failed(run.entry.launches[i].function, error);
  }
  return ARGENT_OK;
}

// Ends the capture whatever happened: a stream left capturing is of no use to anyone.
int capture(Run& run, CudaGraphExecHandle** exec) {
  const CudaDriver& driver = run.driver();
  CudaResult error = driver.capture_begin(run.stream, kCudaCaptureThreadLocal);
  if (error) return run.failed("cuStreamBeginCapture", error);
  int code = launch_each(run);
  CudaGraphHandle* graph = nullptr;
  error = driver.capture_end(run.stream, &graph);
  if (code == ARGENT_OK && error) code = run.failed("cuStreamEndCapture", error);
  if (code == ARGENT_OK) {
    error = driver.graph_instantiate(exec, graph, 0);
    if (error) code = run.failed("cuGraphInstantiate", error);
  }
  if (graph) driver.graph_destroy(graph);
  return code;
}

// A graph for the addresses of this run; null when the driver refuses, which is no error.
CudaGraphExecHandle* graph_of(Run& run, CudaCapture& kept) {
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

int copy_inputs(Run& run) {
  for (uint32_t i = 0; i < run.entry.input_count; ++i) {
    if (run.tensors[i].on_device) continue;
    const CudaResult error = run.driver().copy_to_device(run.slots[i], run.tensors[i].data,
                                                         run.tensors[i].bytes, run.stream);
    if (error) return run.failed("copying the inputs", error);
  }
  return ARGENT_OK;
}

int copy_outputs(Run& run) {
  for (uint32_t i = run.entry.input_count; i < run.slot_count(); ++i) {
    if (run.tensors[i].on_device) continue;
    const CudaResult error = run.driver().copy_to_host(run.tensors[i].data, run.slots[i],
                                                       run.tensors[i].bytes, run.stream);
    if (error) return run.failed("copying the outputs", error);
  }
  return ARGENT_OK;
}

int finish(Run& run) {
  const int code = copy_outputs(run);
  if (code != ARGENT_OK || run.stream != run.instance.stream) return code;
  const CudaResult error = run.driver().stream_synchronize(run.stream);
  return error ? run.failed("waiting for the kernels", error) : ARGENT_OK;
}

int run_entry(Run& run, uint32_t index) {
  int code = copy_inputs(run);
  if (code != ARGENT_OK) return code;
  if (CudaGraphExecHandle* exec = graph_of(run, run.instance.captures[index])) {
    const CudaResult error = run.driver().graph_launch(exec, run.stream);
    if (error) return run.failed("cuGraphLaunch", error);
  } else {
    run.message[0] = 0;
    code = launch_each(run);
    if (code != ARGENT_OK) return code;
  }
  return finish(run);
}

int make_events(Run& run) {
  CudaInstance& instance = run.instance;
  const uint32_t needed = run.entry.launch_count + 1;
  if (instance.event_count >= needed) return ARGENT_OK;
  auto* events =
      static_cast<CudaEventHandle**>(realloc(instance.events, needed * sizeof(CudaEventHandle*)));
  if (!events) return fail(run.message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", run.entry.name);
  instance.events = events;
  while (instance.event_count < needed) {
    const CudaResult error = run.driver().event_create(&events[instance.event_count], 0);
    if (error) return run.failed("cuEventCreate", error);
    ++instance.event_count;
  }
  return ARGENT_OK;
}

int launch_timed(Run& run) {
  CudaEventHandle** events = run.instance.events;
  CudaResult error = run.driver().event_record(events[0], run.stream);
  for (uint32_t i = 0; !error && i < run.entry.launch_count; ++i) {
    error = launch(run, i);
    if (error) return run.failed(run.entry.launches[i].function, error);
    error = run.driver().event_record(events[i + 1], run.stream);
  }
  return error ? run.failed("cuEventRecord", error) : ARGENT_OK;
}

int time_entry(Run& run, uint64_t* nanoseconds) {
  int code = copy_inputs(run);
  if (code == ARGENT_OK) code = make_events(run);
  if (code == ARGENT_OK) code = launch_timed(run);
  if (code == ARGENT_OK) code = finish(run);
  CudaEventHandle** events = run.instance.events;
  for (uint32_t i = 0; code == ARGENT_OK && i < run.entry.launch_count; ++i) {
    float milliseconds = 0;
    const CudaResult error = run.driver().event_elapsed(&milliseconds, events[i], events[i + 1]);
    if (error) return run.failed("cuEventElapsedTime", error);
    nanoseconds[run.entry.launches[i].step] += static_cast<uint64_t>(milliseconds * 1e6f);
  }
  return code;
}

// Looks the entry up, checks the tensors and calls `f(run)` with the context current.
template <class F>
int with_run(CudaInstance& instance, uint32_t index, const CudaTensor* tensors, uint32_t count,
             CudaStreamHandle* stream, char* message, F f) {
  const CudaImage& image = *instance.program->image;
  message[0] = 0;
  if (index >= image.entry_count) {
    return fail(message, ARGENT_BAD_ARGUMENT, "%s: entry %u asked for, but it has %u", image.name,
                index, image.entry_count);
  }
  CudaFunctionHandle** functions = instance.program->functions;
  for (uint32_t i = 0; i < index; ++i) functions += image.entries[i].launch_count;
  Run run = {
      instance, image.entries[index], functions, stream ? stream : instance.stream, tensors, {},
      message};
  const int code = check_tensors(run, count);
  if (code != ARGENT_OK) return code;
  const CudaScope scope(run.device());
  return scope.result() ? run.failed("cuCtxPushCurrent", scope.result()) : f(run);
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
  {
    const CudaScope scope(device);
    for (uint32_t i = 0; instance->captures && i < instance->program->image->entry_count; ++i) {
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
  return with_run(*instance, entry, tensors, count, stream, message,
                  [&](Run& run) { return run_entry(run, entry); });
}

int cuda_time(CudaInstance* instance, uint32_t entry, const CudaTensor* tensors, uint32_t count,
              uint64_t* nanoseconds, char* message) {
  return with_run(*instance, entry, tensors, count, nullptr, message,
                  [&](Run& run) { return time_entry(run, nanoseconds); });
}

}  // namespace ag::rt
