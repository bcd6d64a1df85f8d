// Reading and writing parameters and state by name.
#include <cstdlib>
#include <cstring>

#include "runtime/checks.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

enum class Direction { get, set };

// Bytes from the tensor's first element to element `indices`.
int64_t offset_of(const TensorRecord& record, const int64_t* indices) {
  int64_t offset = 0;
  for (uint32_t t = 0; t < record.term_count; ++t) {
    const LayoutTerm& term = record.terms[t];
    offset += (indices[term.axis] / term.divisor) % term.modulus * term.stride;
  }
  return offset;
}

// Copies between a stored tensor and row-major memory.
void transfer(const argent_tensor_info& info, const TensorRecord& record, uint8_t* stored,
              uint8_t* dense, Direction direction) {
  if (record.term_count == 0) {
    memcpy(direction == Direction::get ? dense : stored,
           direction == Direction::get ? stored : dense, info.bytes);
    return;
  }
  const uint64_t width = dtype_bytes(info.dtype), count = info.bytes / width;
  int64_t indices[kMaxRank] = {};
  for (uint64_t i = 0; i < count; ++i, dense += width) {
    uint8_t* element = stored + offset_of(record, indices);
    memcpy(direction == Direction::get ? dense : element,
           direction == Direction::get ? element : dense, width);
    for (uint32_t axis = info.rank; axis-- > 0;) {
      if (++indices[axis] < info.shape[axis]) break;
      indices[axis] = 0;
    }
  }
}

// A network's own copy of the shared parameters, made at the first write.
int own_parameters(Instance& instance, Network& network) {
  const BlobRecord& blob = network.image->parameters;
  if (network.parameters) return ARGENT_OK;
  uint8_t* copy = allocate_storage(blob.bytes);
  if (!copy) {
    return fail(instance.message, ARGENT_OUT_OF_MEMORY,
                "%s: no memory for %llu bytes of parameters", instance.image->description.name,
                static_cast<unsigned long long>(blob.bytes));
  }
  memcpy(copy, blob.data, blob.bytes);
  network.parameters = copy;
  return ARGENT_OK;
}

int no_plain_copy(Instance& instance, const char* name) {
  return fail(instance.message, ARGENT_UNSUPPORTED,
              "%s: '%s' was prepared when the library was compiled and has no plain copy; compile "
              "it with changeable weights",
              instance.image->description.name, name);
}

// Where the tensor's storage begins; null after leaving a message.
uint8_t* base_of(Instance& instance, const TensorRecord& record, const char* name,
                 Direction direction, int* code) {
  auto& network = *static_cast<Network*>(instance.network);
  if (record.storage == kState) return instance.state;
  const bool writable = direction == Direction::get || !instance.image->weights_fixed;
  if (record.storage == kParameter && parameters_of(network) && writable) {
    if (direction == Direction::get) return const_cast<uint8_t*>(parameters_of(network));
    *code = own_parameters(instance, network);
    if (*code != ARGENT_OK) return nullptr;
    if (instance.image->prepare) network.stale.store(true);
    return network.parameters;
  }
  if (record.storage == kConstant && direction == Direction::get) {
    return const_cast<uint8_t*>(instance.image->constants.data);
  }
  *code = no_plain_copy(instance, name);
  return nullptr;
}

int access(argent_instance* handle, const char* name, const argent_tensor* tensor,
           Direction direction) {
  auto* instance = static_cast<Instance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  const argent_library& library = *instance->library;
  uint32_t index = 0;
  int code = check_stored(library, name, tensor, &index, instance->message);
  if (code == ARGENT_OK) {
    const TensorRecord& record = instance->image->tensors[index];
    uint8_t* base = base_of(*instance, record, name, direction, &code);
    if (base) {
      transfer(library.tensors[index], record, base + record.offset,
               static_cast<uint8_t*>(tensor->data), direction);
    }
  }
  return code;
}

}  // namespace
}  // namespace ag::rt

using namespace ag::rt;

int argent_rt_get(argent_instance* instance, const char* name, const argent_tensor* destination) {
  return access(instance, name, destination, Direction::get);
}

int argent_rt_set(argent_instance* instance, const char* name, const argent_tensor* source) {
  return access(instance, name, source, Direction::set);
}

int argent_rt_prepare(argent_instance* handle) {
  auto* instance = static_cast<Instance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  auto& network = *static_cast<Network*>(instance->network);
  return network.stale.load() ? prepare_network(network, instance->message) : ARGENT_OK;
}
