// Weights that are computed from other weights, once.
#include "runtime/cuda_launch.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

// The stream and the arena of one preparation.
struct Preparation {
  explicit Preparation(const CudaProgram& program)
      : program(program), driver(program.device->driver) {}
  ~Preparation() {
    if (arena) driver.free(arena);
    if (stream) driver.stream_destroy(stream);
  }
  int failed(const char* call, CudaResult error, char* message) const {
    return cuda_failed(*program.device, program.image->description.name, call, error, message);
  }

  const CudaProgram& program;
  const CudaDriver& driver;
  CudaStreamHandle* stream = nullptr;
  CudaPointer arena = 0;
};

CudaFunctionHandle** functions_of_prepare(const CudaProgram& program) {
  CudaFunctionHandle** functions = program.functions;
  for (uint32_t i = 0; i < program.image->description.entry_count; ++i)
    functions += program.image->entries[i].launch_count;
  return functions;
}

}  // namespace

int cuda_prepare(CudaProgram* program, char* message) {
  if (!program->image->prepare) return ARGENT_OK;
  const CudaEntryRecord& entry = *program->image->prepare;
  const CudaScope scope(*program->device);
  Preparation run(*program);
  if (scope.result()) return run.failed("cuCtxPushCurrent", scope.result(), message);
  CudaResult error = run.driver.stream_create(&run.stream, kCudaStreamNonBlocking);
  if (error) return run.failed("cuStreamCreate", error, message);
  if (entry.arena_bytes) error = run.driver.allocate(&run.arena, entry.arena_bytes);
  if (error) return run.failed("memory to prepare the weights", error, message);
  CudaFunctionHandle** functions = functions_of_prepare(*program);
  const CudaMemory memory = {run.arena, 0, program->shared, nullptr};
  for (uint32_t i = 0; i < entry.launch_count; ++i) {
    error = cuda_launch(run.driver, functions[i], entry.launches[i], memory, run.stream);
    if (error) return run.failed(entry.launches[i].function, error, message);
  }
  error = run.driver.stream_synchronize(run.stream);
  return error ? run.failed("preparing the weights", error, message) : ARGENT_OK;
}

}  // namespace ag::rt
