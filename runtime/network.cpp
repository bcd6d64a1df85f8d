// Opening and closing a library; preparing its weights.
#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/cpu.h"
#include "runtime/instance.h"

namespace ag::rt {

const uint8_t* parameters_of(const Network& network) {
  return network.parameters ? network.parameters : network.image->parameters.data;
}

const uint8_t* prepared_of(const Network& network) {
  return network.prepared ? network.prepared : network.image->prepared.data;
}

namespace {

// An instance that lives while prepare runs: it has an arena and one worker, nothing else.
struct Preparation : Instance {
  explicit Preparation(const Network& network, const EntryRecord& entry) : Instance{} {
    image = network.image;
    const uint64_t scratch = entry.scratch_bytes + kScratchSlack;
    buffers = static_cast<halide_buffer_t*>(calloc(image->buffer_count, sizeof(halide_buffer_t)));
    arena = allocate_storage(entry.arena_bytes);
    caller.instance = this;
    caller.scratch = caller.scratch_top = allocate_storage(scratch);
    caller.scratch_end = caller.scratch + scratch;
    workers = &caller;
    threads = 1;
  }
  ~Preparation() {
    free(buffers);
    free_storage(arena);
    free_storage(caller.scratch);
  }
  bool complete() const { return buffers && arena && caller.scratch; }

  Worker caller{};
};

}  // namespace

int prepare_network(Network& network, char* message) {
  const Image& image = *network.image;
  if (!image.prepare) return ARGENT_OK;
  const EntryRecord& entry = *image.prepare;
  if (!network.prepared) network.prepared = allocate_storage(image.prepared.bytes);
  Preparation instance(network, entry);
  if (!network.prepared || !instance.complete()) {
    return fail(message, ARGENT_OUT_OF_MEMORY,
                "%s: no memory to prepare the weights: %llu bytes, and %llu for the work",
                image.description.name, static_cast<unsigned long long>(image.prepared.bytes),
                static_cast<unsigned long long>(entry.arena_bytes));
  }
  uint8_t* bases[kStorageCount] = {};
  bases[kArena] = instance.arena;
  bases[kParameter] = const_cast<uint8_t*>(parameters_of(network));
  bases[kPrepared] = network.prepared;
  bases[kConstant] = const_cast<uint8_t*>(image.constants.data);
  bind_storages(image, instance.buffers, bases);
  const int32_t failed = entry.run(&instance.caller, instance.buffers, nullptr);
  if (failed != 0) {
    return fail(message, ARGENT_KERNEL_FAILED, "%s: preparing the weights: kernel '%s' failed: %s",
                image.description.name, image.prepare_steps[failed - 1].name, instance.message);
  }
  network.stale.store(false);
  return ARGENT_OK;
}

namespace {

bool runs_here(const Image& image) {
  return (cpu_features() & image.cpu_features) == image.cpu_features;
}

int check_machine(const Image& image, char* message) {
  if (image.image_version != kImageVersion) {
    return fail(message, ARGENT_BAD_VERSION, "%s: made for runtime version %u, this is version %u",
                image.description.name, image.image_version, kImageVersion);
  }
  if (runs_here(image)) return ARGENT_OK;
  bool known = true;
  const char* limit = cpu_limit(&known);
  if (!known) {
    return fail(message, ARGENT_BAD_ARGUMENT,
                "%s: the environment variable ARGENT_CPU is '%s', which names no level; levels are "
                "x86-64-v2, x86-64-v3, x86-64-v4, x86-64-v4+vnni+bf16",
                image.description.name, limit);
  }
  if (limit) {
    return fail(message, ARGENT_UNSUPPORTED_CPU,
                "%s: compiled for %s, which is above what the environment variable ARGENT_CPU=%s "
                "leaves of this processor",
                image.description.name, image.description.target, limit);
  }
  return fail(message, ARGENT_UNSUPPORTED_CPU,
              "%s: compiled for %s, and this processor lacks some of its instructions",
              image.description.name, image.description.target);
}

int open_network(const Image& image, Network** result, char* message) {
  const int code = check_machine(image, message);
  if (code != ARGENT_OK) return code;
  void* memory = calloc(1, sizeof(Network));
  if (!memory)
    return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image.description.name);
  Network* network = new (memory) Network{};
  network->library = &image.description;
  network->image = &image;
  const int prepared = prepare_network(*network, message);
  if (prepared == ARGENT_OK) {
    *result = network;
    return ARGENT_OK;
  }
  free_storage(network->prepared);
  free(network);
  return prepared;
}

}  // namespace
}  // namespace ag::rt

using namespace ag::rt;

const argent_library* argent_rt_choose(const LevelTable* levels) {
  uint64_t chosen = 0;
  for (uint64_t i = 1; i < levels->count; ++i) {
    if (runs_here(*levels->images[i])) chosen = i;
  }
  return &levels->images[chosen]->description;
}

argent_network* argent_rt_open(const argent_library* library, argent_error* error) {
  argent_error ignored;
  argent_error& result = error ? *error : ignored;
  result = argent_error{};
  Network* network = nullptr;
  result.code =
      library ? open_network(*reinterpret_cast<const Image*>(library), &network, result.message)
              : fail(result.message, ARGENT_BAD_ARGUMENT, "open: the library is null");
  return network;
}

argent_network* argent_rt_open_device(const argent_library* library, uint32_t,
                                      argent_error* error) {
  argent_error ignored;
  argent_error& result = error ? *error : ignored;
  result = argent_error{};
  result.code =
      library ? fail(result.message, ARGENT_UNSUPPORTED,
                     "%s: compiled for %s: there are no devices to choose from; use argent_open",
                     library->name, library->target)
              : fail(result.message, ARGENT_BAD_ARGUMENT, "open: the library is null");
  return nullptr;
}

int argent_rt_close(argent_network* handle) {
  if (!handle) return ARGENT_OK;
  auto* network = static_cast<Network*>(handle);
  if (network->instances.load() != 0) return ARGENT_BUSY;
  free_storage(network->parameters);
  free_storage(network->prepared);
  free(network);
  return ARGENT_OK;
}
