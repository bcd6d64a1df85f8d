#include "tests/ptx/halide_call.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "ir/file.h"
#include "runtime/halide_abi.h"

namespace {

using namespace ag::ptx;

// The user context of a call.
struct Call {
  Machine& machine;
  Outcome outcome;
  std::string error;
};

// Kernels are compiled without checks of what the runtime returns: the first error is kept.
int failed(void* context, const std::string& what) {
  Call& call = *static_cast<Call*>(context);
  if (call.error.empty()) call.error = what;
  return -1;
}

size_t bytes_of(const halide_buffer_t& buffer) {
  size_t elements = 1;
  for (int i = 0; i < buffer.dimensions; ++i) {
    elements *= static_cast<size_t>(buffer.dim[i].extent);
  }
  return elements * (static_cast<size_t>(buffer.type.bits) + 7) / 8;
}

void append(Outcome& all, Outcome&& more) {
  all.instructions += more.instructions;
  all.reports.count += more.reports.count - more.reports.first.size();
  for (Report& report : more.reports.first) all.reports.add(std::move(report));
}

}  // namespace

// What the host code of a CUDA pipeline calls, in Halide 21's ABI.
extern "C" {

int halide_cuda_initialize_kernels(void* context, void** state, const char* source, int size) {
  try {
    const std::string_view text(source, static_cast<size_t>(size));
    *state = const_cast<Module*>(&static_cast<Call*>(context)->machine.load(text));
    return 0;
  } catch (const PtxError& error) {
    return failed(context, error.what());
  }
}

void halide_cuda_finalize_kernels(void*, void*) {}

int halide_cuda_run(void* context, void* state, const char* entry, int blocks_x, int blocks_y,
                    int blocks_z, int threads_x, int threads_y, int threads_z, int shared_bytes,
                    size_t* sizes, void** values, int8_t* are_buffers) {
  Call& call = *static_cast<Call*>(context);
  if (!call.error.empty()) return -1;
  const auto dims = [](int x, int y, int z) {
    return Dim3{static_cast<uint32_t>(x), static_cast<uint32_t>(y), static_cast<uint32_t>(z)};
  };
  Arguments arguments;
  for (size_t i = 0; sizes[i] != 0; ++i) {
    if (are_buffers[i])
      arguments.add(&static_cast<halide_buffer_t*>(values[i])->device, 8);
    else
      arguments.add(values[i], sizes[i]);
  }
  try {
    append(call.outcome, call.machine.launch(*static_cast<const Module*>(state), entry,
                                             dims(blocks_x, blocks_y, blocks_z),
                                             dims(threads_x, threads_y, threads_z),
                                             static_cast<uint32_t>(shared_bytes), arguments));
    return 0;
  } catch (const PtxError& error) {
    return failed(context, error.what());
  }
}

// Of intermediates in host memory, which a pipeline for the device has none of but asks for.
void* halide_malloc(void*, size_t bytes) { return std::malloc(bytes); }
void halide_free(void*, void* pointer) { std::free(pointer); }

const void* halide_cuda_device_interface() { return nullptr; }

int halide_copy_to_device(void* context, halide_buffer_t* buffer, const void*) {
  return buffer->device ? 0 : failed(context, "a buffer without device memory");
}

int halide_device_malloc(void* context, halide_buffer_t* buffer, const void*) {
  if (!buffer->device) {
    buffer->device = static_cast<Call*>(context)->machine.allocate(bytes_of(*buffer));
  }
  return 0;
}

int halide_device_free(void* context, halide_buffer_t* buffer) {
  if (buffer->device && !static_cast<Call*>(context)->machine.free(buffer->device)) {
    return failed(context, "memory freed that was not allocated");
  }
  buffer->device = 0;
  return 0;
}

void halide_device_free_as_destructor(void* context, void* buffer) {
  halide_device_free(context, static_cast<halide_buffer_t*>(buffer));
}
}

namespace ag::ptx {

HalideCall::HalideCall(const std::string& object, const std::string& function) {
  static int count = 0;
  const std::string base = (std::filesystem::temp_directory_path() /
                            fmt::format("argent_halide_{}_{}", getpid(), count++))
                               .string();
  write_file(base + ".o", object);
  if (std::system(fmt::format("cc -shared -o {0}.so {0}.o", base).c_str()) == 0) {
    library_ = dlopen((base + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  if (library_) function_ = dlsym(library_, function.c_str());
  const char* reason = function_ ? nullptr : dlerror();
  std::filesystem::remove(base + ".o");
  std::filesystem::remove(base + ".so");
  if (!function_) throw PtxError(fmt::format("{}: {}", function, reason ? reason : "not linked"));
}

HalideCall::~HalideCall() { dlclose(library_); }

Outcome HalideCall::run(Machine& machine, const std::vector<halide_buffer_t*>& buffers) {
  using B = halide_buffer_t*;
  std::vector<B> a = buffers;
  a.resize(8);  // arguments that the function does not have are passed in vain
  Call call{machine, {}, {}};
  const int error = reinterpret_cast<int (*)(void*, B, B, B, B, B, B, B, B)>(function_)(
      &call, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
  if (error != 0 || !call.error.empty()) {
    throw PtxError(fmt::format("error {}: {}", error, call.error));
  }
  return std::move(call.outcome);
}

}  // namespace ag::ptx
