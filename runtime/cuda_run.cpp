#include "runtime/cuda_run.h"

#include "runtime/instance.h"

namespace ag::rt {
namespace {

int check_tensor(const CudaRun& run, uint32_t slot) {
  const CudaSlotRecord& record = run.entry.slots[slot];
  const CudaTensor& tensor = run.tensors[slot];
  if (!tensor.data && record.bytes != 0) {
    return fail(run.message, ARGENT_BAD_ARGUMENT, "%s: %s is null", run.entry.name, record.name);
  }
  if (tensor.bytes != record.bytes) {
    return fail(run.message, ARGENT_BAD_SIZE, "%s: %s has %llu bytes, not %llu", run.entry.name,
                record.name, static_cast<unsigned long long>(tensor.bytes),
                static_cast<unsigned long long>(record.bytes));
  }
  if (!tensor.on_device && run.stream != run.instance.stream) {
    return fail(run.message, ARGENT_BAD_ARGUMENT,
                "%s: %s is in host memory; on a stream of the caller's all must be on the device",
                run.entry.name, record.name);
  }
  if (tensor.on_device && reinterpret_cast<uintptr_t>(tensor.data) % kCudaAlignment != 0) {
    return fail(run.message, ARGENT_BAD_ARGUMENT,
                "%s: %s is in the device's memory and not aligned to %llu bytes", run.entry.name,
                record.name, static_cast<unsigned long long>(kCudaAlignment));
  }
  return ARGENT_OK;
}

int check_tensors(CudaRun& run, uint32_t count) {
  if (count != run.slot_count() || count > kCudaMostSlots) {
    return fail(run.message, ARGENT_BAD_ARGUMENT,
                "%s: %u tensors given; it has %u inputs and %u outputs", run.entry.name, count,
                run.entry.input_count, run.entry.output_count);
  }
  for (uint32_t i = 0; i < count; ++i) {
    const int code = check_tensor(run, i);
    if (code != ARGENT_OK) return code;
    run.slots[i] = run.tensors[i].on_device ? reinterpret_cast<CudaPointer>(run.tensors[i].data)
                                            : run.instance.arena + run.entry.slots[i].staging;
  }
  return ARGENT_OK;
}

}  // namespace

int CudaRun::copy_input(uint32_t slot) const {
  const CudaResult error =
      driver().copy_to_device(slots[slot], tensors[slot].data, tensors[slot].bytes, stream);
  return error ? failed("copying the inputs", error) : ARGENT_OK;
}

int CudaRun::copy_output(uint32_t slot) const {
  const CudaResult error =
      driver().copy_to_host(tensors[slot].data, slots[slot], tensors[slot].bytes, stream);
  return error ? failed("copying the outputs", error) : ARGENT_OK;
}

int CudaRun::launch(uint32_t index, CudaStreamHandle* on) const {
  const CudaMemory memory = {instance.arena, instance.state, instance.program->shared, slots};
  const CudaLaunchRecord& record = entry.launches[index];
  const CudaResult error = cuda_launch(driver(), functions[index], record, memory, on);
  return error ? failed(record.function, error) : ARGENT_OK;
}

int CudaRun::wait() const {
  const CudaResult error = driver().stream_synchronize(stream);
  return error ? failed("waiting for the kernels", error) : ARGENT_OK;
}

int with_cuda_run(CudaInstance& instance, uint32_t entry, const CudaTensor* tensors, uint32_t count,
                  CudaStreamHandle* stream, char* message, void* argument,
                  int (*act)(CudaRun& run, void* argument)) {
  const CudaImage& image = *instance.program->image;
  message[0] = 0;
  if (entry >= image.description.entry_count) {
    return fail(message, ARGENT_BAD_ARGUMENT, "%s: entry %u asked for, but it has %u",
                image.description.name, entry, image.description.entry_count);
  }
  CudaFunctionHandle** functions = instance.program->functions;
  for (uint32_t i = 0; i < entry; ++i) functions += image.entries[i].launch_count;
  CudaRun run = {instance,  image.entries[entry],
                 functions, stream ? stream : instance.stream,
                 tensors,   message,
                 {}};
  const int code = check_tensors(run, count);
  if (code != ARGENT_OK) return code;
  const CudaScope scope(run.device());
  return scope.result() ? run.failed("cuCtxPushCurrent", scope.result()) : act(run, argument);
}

}  // namespace ag::rt
