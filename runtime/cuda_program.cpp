// Device code and weights of a program.
#include <cstdlib>

#include "runtime/cuda.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

uint32_t launch_count_of(const CudaImage& image) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < image.entry_count; ++i) count += image.entries[i].launch_count;
  return count;
}

int check_launch(const CudaDevice& device, const CudaImage& image, const CudaLaunchRecord& launch,
                 char* message) {
  const uint32_t threads = launch.threads[0] * launch.threads[1] * launch.threads[2];
  if (threads > static_cast<uint32_t>(device.most_threads)) {
    return fail(message, ARGENT_UNSUPPORTED,
                "%s: %s needs %u threads a block; device %d (%s) has %d", image.name,
                launch.function, threads, device.index, device.name, device.most_threads);
  }
  if (launch.shared_bytes > static_cast<uint32_t>(device.most_shared_bytes)) {
    return fail(message, ARGENT_UNSUPPORTED,
                "%s: %s needs %u bytes of shared memory a block; device %d (%s) has %d", image.name,
                launch.function, launch.shared_bytes, device.index, device.name,
                device.most_shared_bytes);
  }
  if (launch.module >= image.module_count || launch.argument_count > kCudaMostArguments) {
    return fail(message, ARGENT_BAD_VERSION, "%s: %s: its tables are not this runtime's",
                image.name, launch.function);
  }
  return ARGENT_OK;
}

int check_device(const CudaDevice& device, const CudaImage& image, char* message) {
  if (static_cast<uint32_t>(device.capability) < image.capability) {
    return fail(message, ARGENT_UNSUPPORTED,
                "%s: compiled for sm_%u and later; device %d (%s) is sm_%d", image.name,
                image.capability, device.index, device.name, device.capability);
  }
  const uint64_t needed = image.arena_bytes + image.state_bytes + image.shared_bytes;
  if (needed > device.memory_bytes) {
    return fail(message, ARGENT_OUT_OF_MEMORY,
                "%s: needs %llu bytes of device memory; device %d (%s) has %llu", image.name,
                static_cast<unsigned long long>(needed), device.index, device.name,
                static_cast<unsigned long long>(device.memory_bytes));
  }
  for (uint32_t e = 0; e < image.entry_count; ++e) {
    const CudaEntryRecord& entry = image.entries[e];
    for (uint32_t i = 0; i < entry.launch_count; ++i) {
      const int code = check_launch(device, image, entry.launches[i], message);
      if (code != ARGENT_OK) return code;
    }
  }
  return ARGENT_OK;
}

// The driver compiles PTX here; its own words about what it does not like go into the message.
int load_module(CudaProgram& program, uint32_t index, char* message) {
  const CudaDevice& device = *program.device;
  char log[256] = {};
  int options[] = {kCudaJitErrorLog, kCudaJitErrorLogBytes};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  const CudaResult error = device.driver.module_load(
      &program.modules[index], program.image->modules[index].data, 2, options, values);
  if (!error) {
    ++program.loaded;
    return ARGENT_OK;
  }
  const char* advice = error == kCudaUnsupportedPtx
                           ? ": the driver is older than the program's PTX: update it"
                       : error == kCudaNoBinaryForGpu ? ": the program has no code for this device"
                                                      : "";
  return fail(message, ARGENT_UNSUPPORTED, "%s: module %u on device %d (%s): %s%s%s%s",
              program.image->name, index, device.index, device.name,
              cuda_error_name(device.driver, error), advice, log[0] ? ": " : "", log);
}

int find_functions(CudaProgram& program, char* message) {
  uint32_t next = 0;
  for (uint32_t e = 0; e < program.image->entry_count; ++e) {
    const CudaEntryRecord& entry = program.image->entries[e];
    for (uint32_t i = 0; i < entry.launch_count; ++i) {
      const CudaLaunchRecord& launch = entry.launches[i];
      const CudaResult error = program.device->driver.module_function(
          &program.functions[next++], program.modules[launch.module], launch.function);
      if (error) {
        return cuda_failed(*program.device, program.image->name, launch.function, error, message);
      }
    }
  }
  return ARGENT_OK;
}

int load_weights(CudaProgram& program, char* message) {
  const CudaImage& image = *program.image;
  const CudaDriver& driver = program.device->driver;
  if (image.shared_bytes == 0) return ARGENT_OK;
  CudaResult error = driver.allocate(&program.shared, image.shared_bytes);
  if (error) return cuda_failed(*program.device, image.name, "memory for weights", error, message);
  error = driver.copy_to_device(program.shared, image.shared, image.shared_bytes, nullptr);
  if (!error) error = driver.stream_synchronize(nullptr);
  return error ? cuda_failed(*program.device, image.name, "copying the weights", error, message)
               : ARGENT_OK;
}

int load(CudaProgram& program, char* message) {
  const CudaImage& image = *program.image;
  const CudaScope scope(*program.device);
  if (scope.result()) {
    return cuda_failed(*program.device, image.name, "cuCtxPushCurrent", scope.result(), message);
  }
  for (uint32_t i = 0; i < image.module_count; ++i) {
    const int code = load_module(program, i, message);
    if (code != ARGENT_OK) return code;
  }
  const int code = find_functions(program, message);
  return code == ARGENT_OK ? load_weights(program, message) : code;
}

}  // namespace

int cuda_load(CudaDevice* device, const CudaImage* image, CudaProgram** result, char* message) {
  *result = nullptr;
  int code = check_device(*device, *image, message);
  if (code != ARGENT_OK) return code;
  auto* program = static_cast<CudaProgram*>(calloc(1, sizeof(CudaProgram)));
  if (!program) return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image->name);
  program->device = device;
  program->image = image;
  program->modules =
      static_cast<CudaModuleHandle**>(calloc(image->module_count + 1, sizeof(void*)));
  program->functions =
      static_cast<CudaFunctionHandle**>(calloc(launch_count_of(*image) + 1, sizeof(void*)));
  code = program->modules && program->functions
             ? load(*program, message)
             : fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image->name);
  if (code == ARGENT_OK)
    *result = program;
  else
    cuda_unload(program);
  return code;
}

void cuda_unload(CudaProgram* program) {
  if (!program) return;
  const CudaDriver& driver = program->device->driver;
  {
    const CudaScope scope(*program->device);
    if (program->shared) driver.free(program->shared);
    for (uint32_t i = 0; i < program->loaded; ++i) driver.module_unload(program->modules[i]);
  }
  free(program->modules);
  free(program->functions);
  free(program);
}

}  // namespace ag::rt
