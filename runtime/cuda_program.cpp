// Device code and weights of a program.
#include <cstdlib>

#include "runtime/cuda.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

// Calls visit(entry) for each entry, then for prepare, until it returns another code than OK.
template <class Visit>
int each_entry(const CudaImage& image, Visit visit) {
  int code = ARGENT_OK;
  for (uint32_t i = 0; code == ARGENT_OK && i < image.description.entry_count; ++i)
    code = visit(image.entries[i]);
  return code == ARGENT_OK && image.prepare ? visit(*image.prepare) : code;
}

uint32_t launch_count_of(const CudaImage& image) {
  uint32_t count = 0;
  each_entry(image, [&](const CudaEntryRecord& entry) -> int {
    count += entry.launch_count;
    return ARGENT_OK;
  });
  return count;
}

uint64_t arena_bytes_of(const CudaImage& image) {
  uint64_t most = 0;
  each_entry(image, [&](const CudaEntryRecord& entry) -> int {
    if (entry.arena_bytes > most) most = entry.arena_bytes;
    return ARGENT_OK;
  });
  return most;
}

int check_launch(const CudaDevice& device, const CudaImage& image, const CudaLaunchRecord& launch,
                 char* message) {
  const uint32_t threads = launch.threads[0] * launch.threads[1] * launch.threads[2];
  if (threads > static_cast<uint32_t>(device.most_threads)) {
    return fail(message, ARGENT_UNSUPPORTED,
                "%s: %s needs %u threads a block; device %d (%s) has %d", image.description.name,
                launch.function, threads, device.index, device.name, device.most_threads);
  }
  if (launch.shared_bytes > static_cast<uint32_t>(device.most_shared_bytes)) {
    return fail(message, ARGENT_UNSUPPORTED,
                "%s: %s needs %u bytes of shared memory a block; device %d (%s) has %d",
                image.description.name, launch.function, launch.shared_bytes, device.index,
                device.name, device.most_shared_bytes);
  }
  if (launch.module >= image.module_count || launch.argument_count > kCudaMostArguments) {
    return fail(message, ARGENT_BAD_VERSION, "%s: %s: its tables are not this runtime's",
                image.description.name, launch.function);
  }
  return ARGENT_OK;
}

int check_device(const CudaDevice& device, const CudaImage& image, char* message) {
  if (static_cast<uint32_t>(device.capability) < image.capability) {
    return fail(message, ARGENT_UNSUPPORTED,
                "%s: compiled for sm_%u and later; device %d (%s) is sm_%d", image.description.name,
                image.capability, device.index, device.name, device.capability);
  }
  const uint64_t needed = arena_bytes_of(image) + image.state_bytes + image.shared_bytes;
  if (needed > device.memory_bytes) {
    return fail(message, ARGENT_OUT_OF_MEMORY,
                "%s: needs %llu bytes of device memory; device %d (%s) has %llu",
                image.description.name, static_cast<unsigned long long>(needed), device.index,
                device.name, static_cast<unsigned long long>(device.memory_bytes));
  }
  return each_entry(image, [&](const CudaEntryRecord& entry) {
    int code = ARGENT_OK;
    for (uint32_t i = 0; code == ARGENT_OK && i < entry.launch_count; ++i)
      code = check_launch(device, image, entry.launches[i], message);
    return code;
  });
}

bool takes(const CudaDevice& device, const CudaCodeRecord& code) {
  const auto own = static_cast<uint32_t>(device.capability);
  return code.capability == 0 || (code.capability / 10 == own / 10 && code.capability <= own);
}

// The driver compiles PTX here; its own words about what it does not like go into the message.
int load_code(CudaProgram& program, uint32_t index, const CudaCodeRecord& code, char* message) {
  const CudaDevice& device = *program.device;
  char log[256] = {};
  int options[] = {kCudaJitErrorLog, kCudaJitErrorLogBytes};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  const CudaResult error =
      device.driver.module_load(&program.modules[index], code.data, 2, options, values);
  if (!error) {
    ++program.loaded;
    message[0] = 0;
    return ARGENT_OK;
  }
  const char* advice = error == kCudaUnsupportedPtx
                           ? ": the driver is older than the program's PTX: update it"
                       : error == kCudaNoBinaryForGpu ? ": the program has no code for this device"
                                                      : "";
  return fail(message, ARGENT_UNSUPPORTED, "%s: module %u on device %d (%s): %s%s%s%s",
              program.image->description.name, index, device.index, device.name,
              cuda_error_name(device.driver, error), advice, log[0] ? ": " : "", log);
}

// A cubin that the driver refuses, as one of an older driver does a newer toolkit's, is passed
// over.
int load_module(CudaProgram& program, uint32_t index, char* message) {
  const CudaModuleRecord& module = program.image->modules[index];
  for (uint64_t i = 0; i < module.code_count; ++i) {
    if (!takes(*program.device, module.codes[i])) continue;
    const int code = load_code(program, index, module.codes[i], message);
    if (code == ARGENT_OK || i + 1 == module.code_count) return code;
  }
  return fail(message, ARGENT_UNSUPPORTED, "%s: module %u has no code for device %d (%s)",
              program.image->description.name, index, program.device->index,
              program.device->name);
}

int find_functions(CudaProgram& program, char* message) {
  CudaFunctionHandle** next = program.functions;
  return each_entry(*program.image, [&](const CudaEntryRecord& entry) -> int {
    for (uint32_t i = 0; i < entry.launch_count; ++i) {
      const CudaLaunchRecord& launch = entry.launches[i];
      const CudaResult error = program.device->driver.module_function(
          next++, program.modules[launch.module], launch.function);
      if (error) {
        return cuda_failed(*program.device, program.image->description.name, launch.function, error,
                           message);
      }
    }
    return ARGENT_OK;
  });
}

int load_weights(CudaProgram& program, char* message) {
  const CudaImage& image = *program.image;
  const CudaDriver& driver = program.device->driver;
  if (image.shared_bytes == 0) return ARGENT_OK;
  CudaResult error = driver.allocate(&program.shared, image.shared_bytes);
  if (error)
    return cuda_failed(*program.device, image.description.name, "memory for weights", error,
                       message);
  for (uint32_t i = 0; !error && i < image.fill_count; ++i) {
    const CudaFillRecord& fill = image.fills[i];
    error = driver.copy_to_device(program.shared + fill.offset, fill.data, fill.bytes, nullptr);
  }
  if (!error) error = driver.stream_synchronize(nullptr);
  return error ? cuda_failed(*program.device, image.description.name, "copying the weights", error,
                             message)
               : ARGENT_OK;
}

int load(CudaProgram& program, char* message) {
  const CudaImage& image = *program.image;
  const CudaScope scope(*program.device);
  if (scope.result()) {
    return cuda_failed(*program.device, image.description.name, "cuCtxPushCurrent", scope.result(),
                       message);
  }
  for (uint32_t i = 0; i < image.module_count; ++i) {
    const int code = load_module(program, i, message);
    if (code != ARGENT_OK) return code;
  }
  int code = find_functions(program, message);
  if (code == ARGENT_OK) code = load_weights(program, message);
  return code == ARGENT_OK ? cuda_prepare(&program, message) : code;
}

}  // namespace

int cuda_load(CudaDevice* device, const CudaImage* image, CudaProgram** result, char* message) {
  *result = nullptr;
  if (image->image_version != kCudaImageVersion) {
    return fail(message, ARGENT_BAD_VERSION, "%s: made for runtime version %u, this is version %u",
                image->description.name, image->image_version, kCudaImageVersion);
  }
  int code = check_device(*device, *image, message);
  if (code != ARGENT_OK) return code;
  auto* program = static_cast<CudaProgram*>(calloc(1, sizeof(CudaProgram)));
  if (!program)
    return fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image->description.name);
  program->device = device;
  program->image = image;
  program->modules =
      static_cast<CudaModuleHandle**>(calloc(image->module_count + 1, sizeof(void*)));
  program->functions =
      static_cast<CudaFunctionHandle**>(calloc(launch_count_of(*image) + 1, sizeof(void*)));
  code = program->modules && program->functions
             ? load(*program, message)
             : fail(message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", image->description.name);
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
