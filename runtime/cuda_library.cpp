// The C ABI of libraries for GPUs, over cuda.h: networks, instances, runs, parameters.
#include <cstdlib>
#include <new>

#include "runtime/checks.h"
#include "runtime/cuda.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

struct CudaNetwork : argent_network {
  const CudaImage* image;
  CudaDevice* device;
  CudaProgram* program;
  std::atomic<uint32_t> instances;
  std::atomic<bool> stale;  // a shared parameter was set after the last prepare
};

struct CudaLibraryInstance : BaseInstance {
  CudaInstance* device;
  CudaStreamHandle* stream;  // the caller's; null: the instance's own
  CudaStepSpan* spans;       // of the entry with the most steps
};

CudaNetwork& network_of(const CudaLibraryInstance& instance) {
  return *static_cast<CudaNetwork*>(instance.network);
}

const CudaDriver& driver_of(const CudaLibraryInstance& instance) {
  return network_of(instance).device->driver;
}

void release(CudaNetwork* network) {
  cuda_unload(network->program);
  cuda_close(network->device);
  free(network);
}

int open(const CudaImage& image, int index, CudaNetwork** result, char* message) {
  void* memory = calloc(1, sizeof(CudaNetwork));
  if (!memory)
    return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image.description.name);
  auto* network = new (memory) CudaNetwork{};
  network->library = &image.description;
  network->image = &image;
  int code = cuda_open(index, &network->device, message);
  if (code == ARGENT_OK) code = cuda_load(network->device, &image, &network->program, message);
  if (code == ARGENT_OK)
    *result = network;
  else
    release(network);
  return code;
}

void release(CudaLibraryInstance* instance) {
  cuda_destroy(instance->device);
  free(instance->step_times);
  free(instance->spans);
  free(instance);
}

uint32_t most_steps(const argent_library& library) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < library.entry_count; ++i) {
    if (library.entries[i].step_count > most) most = library.entries[i].step_count;
  }
  return most;
}

int create(CudaNetwork& network, uint32_t threads, CudaLibraryInstance** result, char* message) {
  const argent_library& library = *network.library;
  const int checked = check_threads(library, threads, message);
  if (checked != ARGENT_OK) return checked;
  void* memory = calloc(1, sizeof(CudaLibraryInstance));
  if (!memory) return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", library.name);
  auto* instance = new (memory) CudaLibraryInstance{};
  instance->library = &library;
  instance->network = &network;
  instance->spans =
      static_cast<CudaStepSpan*>(calloc(most_steps(library) + 1, sizeof(CudaStepSpan)));
  const int code = instance->spans
                       ? cuda_create(network.program, &instance->device, message)
                       : fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", library.name);
  if (code != ARGENT_OK) {
    release(instance);
    return code;
  }
  network.instances.fetch_add(1);
  *result = instance;
  return ARGENT_OK;
}

// Whether the memory is the device's, whose context is current. Plain memory of the host's is an
// invalid value to the driver.
int find_memory(const CudaLibraryInstance& instance, const char* name, const argent_tensor& tensor,
                bool* on_device, char* message) {
  const CudaDevice& device = *network_of(instance).device;
  const auto pointer = reinterpret_cast<CudaPointer>(tensor.data);
  unsigned memory = 0;
  int owner = device.index;
  CudaResult error = device.driver.pointer_attribute(&memory, kCudaPointerMemory, pointer);
  *on_device = error == 0 && memory == kCudaDeviceMemory;
  if (*on_device) error = device.driver.pointer_attribute(&owner, kCudaPointerDevice, pointer);
  if (error && (*on_device || error != kCudaInvalidValue))
    return cuda_failed(device, name, "cuPointerGetAttribute", error, message);
  if (owner == device.index) return ARGENT_OK;
  return fail(message, ARGENT_BAD_ARGUMENT, "%s: the memory of '%s' is of device %d; it runs on %d",
              instance.library->name, name, owner, device.index);
}

int add_tensors(const CudaLibraryInstance& instance, const argent_tensor_info* const* infos,
                const argent_tensor* from, uint32_t count, CudaTensor* to, char* message) {
  for (uint32_t i = 0; i < count; ++i) {
    to[i] = {from[i].data, from[i].bytes, false};
    const int code = find_memory(instance, infos[i]->name, from[i], &to[i].on_device, message);
    if (code != ARGENT_OK) return code;
  }
  return ARGENT_OK;
}

void note_spans(CudaLibraryInstance& instance, uint32_t entry, uint64_t begin_ns) {
  argent_step_time* times = instance.profiling ? step_times_of(instance, entry) : nullptr;
  for (uint32_t i = 0; i < instance.library->entries[entry].step_count; ++i) {
    const CudaStepSpan& span = instance.spans[i];
    if (times) add_step_time(times[i], span.end_ns - span.begin_ns);
    if (instance.trace) {
      add_event(*instance.trace, {begin_ns + span.begin_ns, begin_ns + span.end_ns, i, 0, 0, 0});
    }
  }
}

int run_timed(CudaLibraryInstance& instance, uint32_t entry, const CudaTensor* tensors,
              uint32_t count) {
  const uint64_t begin_ns = now_ns();
  const int code = cuda_time(instance.device, entry, tensors, count, instance.stream,
                             instance.spans, instance.message);
  if (code == ARGENT_OK) note_spans(instance, entry, begin_ns);
  return code;
}

int run(CudaLibraryInstance& instance, uint32_t entry, const argent_tensor* inputs,
        const argent_tensor* outputs) {
  const argent_entry_info& info = instance.library->entries[entry];
  const uint32_t count = info.input_count + info.output_count;
  CudaTensor tensors[kCudaMostSlots];
  if (count > kCudaMostSlots) {
    return fail(instance.message, ARGENT_UNSUPPORTED, "%s: %u inputs and outputs; most are %u",
                info.name, count, kCudaMostSlots);
  }
  const CudaDevice& device = *network_of(instance).device;
  const CudaScope scope(device);
  if (scope.result())
    return cuda_failed(device, info.name, "cuCtxPushCurrent", scope.result(), instance.message);
  int code =
      add_tensors(instance, info.inputs, inputs, info.input_count, tensors, instance.message);
  if (code == ARGENT_OK) {
    code = add_tensors(instance, info.outputs, outputs, info.output_count,
                       tensors + info.input_count, instance.message);
  }
  if (code != ARGENT_OK) return code;
  if (instance.profiling || instance.trace) return run_timed(instance, entry, tensors, count);
  return cuda_run(instance.device, entry, tensors, count, instance.stream, instance.message);
}

enum class Direction { get, set };

// Behind what runs on the caller's stream, and waited for.
CudaResult copy(const CudaLibraryInstance& instance, CudaPointer stored,
                const argent_tensor& tensor, bool on_device, Direction direction) {
  const CudaDriver& driver = driver_of(instance);
  CudaStreamHandle* stream = instance.stream ? instance.stream : instance.device->stream;
  const auto pointer = reinterpret_cast<CudaPointer>(tensor.data);
  const bool get = direction == Direction::get;
  CudaResult error;
  if (on_device) {
    error =
        driver.copy_on_device(get ? pointer : stored, get ? stored : pointer, tensor.bytes, stream);
  } else if (get) {
    error = driver.copy_to_host(tensor.data, stored, tensor.bytes, stream);
  } else {
    error = driver.copy_to_device(stored, tensor.data, tensor.bytes, stream);
  }
  return error ? error : driver.stream_synchronize(stream);
}

int access(argent_instance* handle, const char* name, const argent_tensor* tensor,
           Direction direction) {
  auto* instance = static_cast<CudaLibraryInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  uint32_t index = 0;
  bool on_device = false;
  int code = check_stored(*instance->library, name, tensor, &index, instance->message);
  if (code != ARGENT_OK || tensor->bytes == 0) return code;
  CudaNetwork& network = network_of(*instance);
  const CudaScope scope(*network.device);
  const auto failed = [&](const char* call, CudaResult error) {
    return cuda_failed(*network.device, name, call, error, instance->message);
  };
  if (scope.result()) return failed("cuCtxPushCurrent", scope.result());
  code = find_memory(*instance, name, *tensor, &on_device, instance->message);
  if (code != ARGENT_OK) return code;
  const CudaTensorRecord& record = network.image->tensors[index];
  const bool shared = record.storage == kCudaShared;
  const CudaPointer base = shared ? network.program->shared : instance->device->state;
  const CudaResult error = copy(*instance, base + record.offset, *tensor, on_device, direction);
  const char* call = direction == Direction::get ? "reading a parameter" : "writing a parameter";
  if (error) return failed(call, error);
  if (shared && direction == Direction::set && network.image->prepare) network.stale.store(true);
  return ARGENT_OK;
}

argent_network* open_on(const argent_library* library, int index, argent_error& result) {
  CudaNetwork* network = nullptr;
  result.code =
      library ? open(*reinterpret_cast<const CudaImage*>(library), index, &network, result.message)
              : fail(result.message, ARGENT_BAD_ARGUMENT, "open: the library is null");
  return network;
}

}  // namespace
}  // namespace ag::rt

using namespace ag::rt;

const argent_library* argent_cuda_choose(const CudaLevelTable* levels) {
  char message[ARGENT_MESSAGE_BYTES];
  int index = 0, capability = 0;
  uint64_t chosen = 0;
  const bool known = cuda_chosen_device(&index, message) == ARGENT_OK &&
                     cuda_capability(index, &capability, message) == ARGENT_OK;
  for (uint64_t i = 1; known && i < levels->count; ++i) {
    if (levels->images[i]->capability <= static_cast<uint32_t>(capability)) chosen = i;
  }
  return &levels->images[chosen]->description;
}

argent_network* argent_cuda_open(const argent_library* library, argent_error* error) {
  argent_error ignored;
  argent_error& result = error ? *error : ignored;
  result = argent_error{};
  int index = 0;
  result.code = cuda_chosen_device(&index, result.message);
  return result.code == ARGENT_OK ? open_on(library, index, result) : nullptr;
}

argent_network* argent_cuda_open_device(const argent_library* library, uint32_t device,
                                        argent_error* error) {
  argent_error ignored;
  argent_error& result = error ? *error : ignored;
  result = argent_error{};
  return open_on(library, static_cast<int>(device), result);
}

int argent_cuda_close(argent_network* handle) {
  if (!handle) return ARGENT_OK;
  auto* network = static_cast<CudaNetwork*>(handle);
  if (network->instances.load() != 0) return ARGENT_BUSY;
  release(network);
  return ARGENT_OK;
}

argent_instance* argent_cuda_create(argent_network* network, uint32_t threads,
                                    argent_error* error) {
  argent_error ignored;
  argent_error& result = error ? *error : ignored;
  result = argent_error{};
  CudaLibraryInstance* instance = nullptr;
  result.code =
      network ? create(*static_cast<CudaNetwork*>(network), threads, &instance, result.message)
              : fail(result.message, ARGENT_BAD_ARGUMENT, "create: the network is null");
  return instance;
}

int argent_cuda_destroy(argent_instance* handle) {
  if (!handle) return ARGENT_OK;
  auto* instance = static_cast<CudaLibraryInstance*>(handle);
  if (instance->running.exchange(true)) return ARGENT_BUSY;
  network_of(*instance).instances.fetch_sub(1);
  release(instance);
  return ARGENT_OK;
}

int argent_cuda_run(argent_instance* handle, uint32_t entry, const argent_tensor* inputs,
                    uint32_t input_count, const argent_tensor* outputs, uint32_t output_count) {
  auto* instance = static_cast<CudaLibraryInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  const int code = check_run(*instance->library, network_of(*instance).stale.load(), entry, inputs,
                             input_count, outputs, output_count, instance->message);
  return code == ARGENT_OK ? run(*instance, entry, inputs, outputs) : code;
}

int argent_cuda_get(argent_instance* instance, const char* name, const argent_tensor* destination) {
  return access(instance, name, destination, Direction::get);
}

int argent_cuda_set(argent_instance* instance, const char* name, const argent_tensor* source) {
  return access(instance, name, source, Direction::set);
}

int argent_cuda_prepare(argent_instance* handle) {
  auto* instance = static_cast<CudaLibraryInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  CudaNetwork& network = network_of(*instance);
  if (!network.stale.load()) return ARGENT_OK;
  const int code = cuda_prepare(network.program, instance->message);
  if (code == ARGENT_OK) network.stale.store(false);
  return code;
}

int argent_cuda_set_threads(argent_instance* handle, uint32_t threads) {
  auto* instance = static_cast<CudaLibraryInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  return check_threads(*instance->library, threads, instance->message);
}

int argent_cuda_set_stream(argent_instance* handle, void* stream) {
  auto* instance = static_cast<CudaLibraryInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  instance->stream = static_cast<CudaStreamHandle*>(stream);
  return ARGENT_OK;
}
