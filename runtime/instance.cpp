// Instances: creation, checks of a call, running.
#include "runtime/instance.h"

#include <time.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/checks.h"

namespace ag::rt {

uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

namespace {

uint64_t arena_bytes_of(const Image& image) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < image.description.entry_count; ++i) {
    if (image.entries[i].arena_bytes > most) most = image.entries[i].arena_bytes;
  }
  return most;
}

void release(Instance& instance) {
  if (instance.pool_reserved) thread_pool().unreserve();
  free_workers(instance);
  free_storage(instance.arena);
  free_storage(instance.state);
  free(instance.buffers);
  free(instance.step_times);
  free(&instance);
}

// Reserves a team for instances of several threads; one of a single thread never touches the pool.
bool set_threads(Instance& instance, uint32_t threads) {
  if (threads > 1 && !thread_pool().reserve(threads - 1)) return false;
  const bool had_reservation = instance.pool_reserved;
  if (!allocate_workers(instance, threads)) {
    if (threads > 1) thread_pool().unreserve();
    return false;
  }
  if (had_reservation) thread_pool().unreserve();
  instance.pool_reserved = threads > 1;
  return true;
}

bool allocate(Instance& instance, const Network& network, uint32_t threads) {
  const Image& image = *network.image;
  instance.arena = allocate_storage(arena_bytes_of(image));
  instance.state = allocate_storage(image.state.bytes);
  instance.buffers =
      static_cast<halide_buffer_t*>(calloc(image.buffer_count + 1, sizeof(halide_buffer_t)));
  if (!instance.arena || !instance.state || !instance.buffers) return false;
  if (image.state.data) memcpy(instance.state, image.state.data, image.state.bytes);
  return set_threads(instance, threads);
}

// Points the buffers at the network's weights; again when a change of weights moved them.
void bind_shared(Instance& instance) {
  const Network& network = *static_cast<const Network*>(instance.network);
  const uint8_t* parameters = parameters_of(network);
  const uint8_t* prepared = prepared_of(network);
  if (instance.parameters == parameters && instance.prepared == prepared) return;
  uint8_t* bases[kStorageCount] = {};
  bases[kParameter] = const_cast<uint8_t*>(parameters);
  bases[kPrepared] = const_cast<uint8_t*>(prepared);
  bind_storages(*network.image, instance.buffers, bases);
  instance.parameters = parameters;
  instance.prepared = prepared;
}

void bind_own(Instance& instance) {
  uint8_t* bases[kStorageCount] = {};
  bases[kArena] = instance.arena;
  bases[kState] = instance.state;
  bases[kConstant] = const_cast<uint8_t*>(instance.image->constants.data);
  bind_storages(*instance.image, instance.buffers, bases);
}

int create(Network& network, uint32_t threads, Instance** result, char* message) {
  const Image& image = *network.image;
  const int checked = check_threads(image.description, threads, message);
  if (checked != ARGENT_OK) return checked;
  void* memory = calloc(1, sizeof(Instance));
  if (!memory)
    return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image.description.name);
  Instance* instance = new (memory) Instance{};
  instance->library = &image.description;
  instance->network = &network;
  instance->image = &image;
  if (!allocate(*instance, network, threads)) {
    release(*instance);
    return fail(message, ARGENT_OUT_OF_MEMORY,
                "%s: no memory for an instance: %llu bytes of arena and %llu of state",
                image.description.name, static_cast<unsigned long long>(arena_bytes_of(image)),
                static_cast<unsigned long long>(image.state.bytes));
  }
  bind_own(*instance);
  bind_shared(*instance);
  network.instances.fetch_add(1);
  *result = instance;
  return ARGENT_OK;
}

void begin_trace(Instance& instance) {
  instance.trace_step = 0;
  for (uint32_t i = 0; i < instance.threads; ++i) instance.workers[i].event = nullptr;
}

const char* or_empty(const char* text) { return text ? text : ""; }

int report_failure(Instance& instance, const argent_entry_info& entry, uint32_t step) {
  const argent_step_info& info = entry.steps[step];
  char reason[ARGENT_MESSAGE_BYTES / 2];
  strncpy(reason, instance.message, sizeof reason - 1);
  reason[sizeof reason - 1] = 0;
  return fail(instance.message, ARGENT_KERNEL_FAILED, "%s: kernel '%s' (%s, %s:%u) failed: %s",
              entry.name, info.name, or_empty(info.scope), or_empty(info.file), info.line,
              reason[0] ? reason : "no reason given");
}

int run_entry(Instance& instance, uint32_t index, const argent_tensor* inputs,
              const argent_tensor* outputs) {
  const argent_entry_info& info = instance.image->description.entries[index];
  const EntryRecord& entry = instance.image->entries[index];
  bind_shared(instance);
  for (uint32_t i = 0; i < entry.binding_count; ++i) {
    const BindingRecord binding = entry.bindings[i];
    const argent_tensor& tensor = binding.slot < info.input_count
                                      ? inputs[binding.slot]
                                      : outputs[binding.slot - info.input_count];
    instance.buffers[binding.buffer].host =
        static_cast<uint8_t*>(tensor.data) + instance.image->buffers[binding.buffer].offset;
  }
  instance.message[0] = 0;
  instance.failed.store(false, std::memory_order_relaxed);
  instance.waiting_count = 0;
  Profile profile = {0, nullptr, &instance};
  if (instance.profiling) profile.times = step_times_of(instance, index);
  const bool timed = instance.profiling || instance.trace;
  if (instance.trace) begin_trace(instance);
  if (timed) profile.last_ns = now_ns();
  // Workers wake up while the first kernel's halos are zeroed and its inputs copied.
  instance.shares_loops = instance.threads > 1 && !entry.one_thread;
  if (instance.shares_loops) instance.team = thread_pool().borrow(instance.threads - 1);
  const int32_t failed = entry.run(instance.workers, instance.buffers, timed ? &profile : nullptr);
  if (instance.team) {
    thread_pool().give_back(instance.team);
    instance.team = nullptr;
  }
  if (failed == 0) return ARGENT_OK;
  // What kernels that failed did not free.
  for (uint32_t i = 0; i < instance.threads; ++i) {
    instance.workers[i].scratch_top = instance.workers[i].scratch;
    instance.workers[i].last = nullptr;
  }
  return report_failure(instance, info, static_cast<uint32_t>(failed - 1));
}

}  // namespace
}  // namespace ag::rt

using namespace ag::rt;

argent_instance* argent_rt_create(argent_network* network, uint32_t threads, argent_error* error) {
  argent_error ignored;
  argent_error& result = error ? *error : ignored;
  result = argent_error{};
  Instance* instance = nullptr;
  result.code = network
                    ? create(*static_cast<Network*>(network), threads, &instance, result.message)
                    : fail(result.message, ARGENT_BAD_ARGUMENT, "create: the network is null");
  return instance;
}

int argent_rt_destroy(argent_instance* handle) {
  if (!handle) return ARGENT_OK;
  auto& instance = *static_cast<Instance*>(handle);
  if (instance.running.exchange(true)) return ARGENT_BUSY;
  static_cast<Network*>(instance.network)->instances.fetch_sub(1);
  release(instance);
  return ARGENT_OK;
}

int argent_rt_run(argent_instance* handle, uint32_t entry, const argent_tensor* inputs,
                  uint32_t input_count, const argent_tensor* outputs, uint32_t output_count) {
  auto* instance = static_cast<Instance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  const bool stale = static_cast<Network*>(instance->network)->stale.load();
  const int code = check_run(*instance->library, stale, entry, inputs, input_count, outputs,
                             output_count, instance->message);
  if (code != ARGENT_OK) return code;
  return run_entry(*instance, entry, inputs, outputs);
}

int argent_rt_set_threads(argent_instance* handle, uint32_t threads) {
  auto* instance = static_cast<Instance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  const int code = check_threads(*instance->library, threads, instance->message);
  if (code != ARGENT_OK) return code;
  if (set_threads(*instance, threads)) return ARGENT_OK;
  return fail(instance->message, ARGENT_OUT_OF_MEMORY, "%s: no memory for %u threads",
              instance->library->name, threads);
}

int argent_rt_set_stream(argent_instance* handle, void*) {
  auto* instance = static_cast<Instance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  return fail(instance->message, ARGENT_UNSUPPORTED,
              "%s: compiled for a processor: there is no stream to run on",
              instance->library->name);
}
