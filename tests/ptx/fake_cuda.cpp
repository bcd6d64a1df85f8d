#include "tests/ptx/fake_cuda.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>

#include "runtime/cuda_driver.h"
#include "tests/ptx/ptx_machine.h"

using namespace ag::ptx;
using ag::rt::CudaPointer;
using ag::rt::CudaResult;

namespace {

constexpr CudaResult kInvalidValue = 1, kInvalidContext = 201, kInvalidPtx = 218,
                     kUnsupportedPtx = 222, kNoBinary = 209, kNotFound = 500, kIllegalAddress = 700,
                     kCaptureUnsupported = 900;

constexpr int kFirstDevice = 100;
// What the device's clock moves by.
constexpr double kLaunchMilliseconds = 1, kCopyMilliseconds = 0.125;

using Work = std::function<CudaResult()>;

struct Context {  // the primary one of a device
  int device = 0;
  int retained = 1;
};
struct Function {
  const Module* module;
  std::string name;
};
struct LoadedModule {
  const Module* module;
  std::list<Function> functions;
};
struct Graph {
  std::vector<Work> nodes;
};
struct Stream {
  std::unique_ptr<Graph> capturing;
};
struct Event {
  double milliseconds = 0;
};

// Objects of a kind that exist, under the addresses that the runtime holds.
template <class T>
class Pool {
 public:
  template <class Handle>
  CudaResult add(Handle** handle, T object) {
    alive_.push_back(std::make_unique<T>(std::move(object)));
    *handle = reinterpret_cast<Handle*>(alive_.back().get());
    return 0;
  }
  template <class Handle>
  T* find(Handle* handle) {
    for (auto& object : alive_) {
      if (static_cast<void*>(object.get()) == static_cast<void*>(handle)) return object.get();
    }
    return nullptr;
  }
  template <class Handle>
  CudaResult remove(Handle* handle) {
    return std::erase_if(alive_,
                         [&](const auto& object) {
                           return static_cast<void*>(object.get()) == static_cast<void*>(handle);
                         }) == 1
               ? 0
               : kInvalidValue;
  }
  // One that `matches`; null when there is none.
  template <class Matches>
  T* find_if(Matches matches) {
    for (auto& object : alive_) {
      if (matches(*object)) return object.get();
    }
    return nullptr;
  }
  size_t size() const { return alive_.size(); }

 private:
  std::vector<std::unique_ptr<T>> alive_;
};

struct Property {
  std::string_view name;
  void (*set)(FakeCuda& fake, uint64_t value);
};
constexpr Property kProperties[] = {
    {"driver_version", [](FakeCuda& f, uint64_t v) { f.driver_version = static_cast<int>(v); }},
    {"devices", [](FakeCuda& f, uint64_t v) { f.devices = static_cast<int>(v); }},
    {"capability", [](FakeCuda& f, uint64_t v) { f.capability = static_cast<int>(v); }},
    {"memory_bytes", [](FakeCuda& f, uint64_t v) { f.memory_bytes = v; }},
    {"newest_ptx", [](FakeCuda& f, uint64_t v) { f.newest_ptx = static_cast<int>(v); }},
    {"captures", [](FakeCuda& f, uint64_t v) { f.captures = v != 0; }},
};

// What FAKE_CUDA says.
FakeCuda fake_of_environment() {
  FakeCuda fake;
  const char* text = std::getenv("FAKE_CUDA");
  std::istringstream words(text ? text : "");
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const auto property =
        std::find_if(std::begin(kProperties), std::end(kProperties),
                     [&](const Property& p) { return p.name == word.substr(0, equals); });
    if (property == std::end(kProperties) || equals == word.npos) {
      fprintf(stderr, "FAKE_CUDA: '%s' is no property\n", word.c_str());
      abort();
    }
    property->set(fake, std::stoull(word.substr(equals + 1)));
  }
  return fake;
}

struct Driver {
  FakeCuda fake = fake_of_environment();
  Machine machine;
  Pool<Context> contexts;
  Pool<LoadedModule> modules;
  Pool<Stream> streams;
  Pool<Event> events;
  Pool<Graph> graphs, execs;
  Stream default_stream;
  std::vector<Context> current;            // contexts pushed
  std::map<CudaPointer, int> allocations;  // and their devices
  double clock = 0;
};

// Never destroyed: the log is written when the program ends.
std::unique_ptr<Driver>& driver() {
  static auto& driver = *new std::unique_ptr<Driver>(std::make_unique<Driver>());
  return driver;
}

// Notes the call; the error it is to give, or 0.
CudaResult enter(std::string call, bool needs_context = true) {
  FakeCuda& fake = driver()->fake;
  fake.calls.push_back(std::move(call));
  if (fake.calls.size() == fake.fail_call) return fake.fail_error;
  return needs_context && driver()->current.empty() ? kInvalidContext : 0;
}

Context* context_of(int device) {
  return driver()->contexts.find_if([&](const Context& c) { return c.device == device; });
}

// Now, or when the graph that is being captured runs.
CudaResult submit(ag::rt::CudaStreamHandle* handle, Work work) {
  Stream* stream = handle ? driver()->streams.find(handle) : &driver()->default_stream;
  if (!stream) return kInvalidValue;
  if (!stream->capturing) return work();
  stream->capturing->nodes.push_back(std::move(work));
  return 0;
}

CudaResult guarded(const Work& work) {
  try {
    return work();
  } catch (const PtxError& error) {
    driver()->fake.reports += std::string(error.what()) + "\n";
    return kInvalidValue;
  }
}

CudaResult run_kernel(const Function& function, Dim3 grid, Dim3 block, uint32_t shared,
                      const Arguments& arguments) {
  driver()->clock += kLaunchMilliseconds;
  const Outcome outcome =
      driver()->machine.launch(*function.module, function.name, grid, block, shared, arguments);
  driver()->fake.reports += outcome.text();
  return outcome.reports.count ? kIllegalAddress : 0;
}

}  // namespace

extern "C" {

FakeCuda& fake_cuda_state() { return driver()->fake; }
void fake_cuda_reset() { driver() = std::make_unique<Driver>(); }

std::string fake_cuda_alive() {
  Driver& d = *driver();
  std::string text;
  const auto add = [&](size_t count, const char* what) {
    if (count) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add(d.contexts.size(), "contexts");
  add(d.modules.size(), "modules");
  add(d.machine.allocations(), "allocations");
  add(d.streams.size(), "streams");
  add(d.events.size(), "events");
  add(d.graphs.size() + d.execs.size(), "graphs");
  add(d.current.size(), "contexts on the stack");
  return text;
}

__attribute__((destructor)) void fake_cuda_write_log() {
  const char* path = std::getenv("FAKE_CUDA_LOG");
  FILE* file = path ? fopen(path, "w") : nullptr;
  if (!file) return;
  for (const std::string& call : driver()->fake.calls) fprintf(file, "%s\n", call.c_str());
  fprintf(file, "reports: %s\nalive: %s\n", driver()->fake.reports.c_str(),
          fake_cuda_alive().c_str());
  fclose(file);
}

CudaResult cuInit(unsigned) { return enter("cuInit", false); }

CudaResult cuDriverGetVersion(int* version) {
  *version = driver()->fake.driver_version;
  return enter("cuDriverGetVersion", false);
}

CudaResult cuGetErrorName(CudaResult error, const char** name) {
  switch (error) {
    case 2: *name = "CUDA_ERROR_OUT_OF_MEMORY"; return 0;
    case kInvalidPtx: *name = "CUDA_ERROR_INVALID_PTX"; return 0;
    case kUnsupportedPtx: *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"; return 0;
    case kIllegalAddress: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; return 0;
    case kNotFound: *name = "CUDA_ERROR_NOT_FOUND"; return 0;
    case 999: *name = "CUDA_ERROR_UNKNOWN"; return 0;
    default: *name = "CUDA_ERROR_OTHER"; return 0;
  }
}

CudaResult cuDeviceGetCount(int* count) {
  *count = driver()->fake.devices;
  return enter("cuDeviceGetCount", false);
}

CudaResult cuDeviceGet(int* device, int index) {
  *device = kFirstDevice + index;  // no index: mixing the two up shows
  return enter(fmt::format("cuDeviceGet {}", index), false);
}

CudaResult cuDeviceGetName(char* name, int bytes, int device) {
  snprintf(name, static_cast<size_t>(bytes), "Fake %d", device);
  return enter("cuDeviceGetName", false);
}

CudaResult cuDeviceGetAttribute(int* value, int attribute, int) {
  const FakeCuda& fake = driver()->fake;
  switch (attribute) {
    case ag::rt::kCudaCapabilityMajor: *value = fake.capability / 10; break;
    case ag::rt::kCudaCapabilityMinor: *value = fake.capability % 10; break;
    case ag::rt::kCudaThreadsPerBlock: *value = fake.threads_per_block; break;
    case ag::rt::kCudaSharedBytesPerBlock: *value = fake.shared_bytes_per_block; break;
    case ag::rt::kCudaMultiprocessors: *value = 2; break;
    case ag::rt::kCudaClockKhz: *value = 1'000'000; break;
    case ag::rt::kCudaMemoryClockKhz: *value = 1'000'000; break;
    case ag::rt::kCudaMemoryBusBits: *value = 64; break;
    default: return kInvalidValue;
  }
  return enter(fmt::format("cuDeviceGetAttribute {}", attribute), false);
}

CudaResult cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = driver()->fake.memory_bytes;
  return enter("cuDeviceTotalMem_v2", false);
}

CudaResult cuDevicePrimaryCtxRetain(ag::rt::CudaContextHandle** context, int device) {
  const CudaResult error = enter(fmt::format("cuDevicePrimaryCtxRetain {}", device), false);
  if (error) return error;
  Context* known = context_of(device);
  if (!known) return driver()->contexts.add(context, {device});
  ++known->retained;
  *context = reinterpret_cast<ag::rt::CudaContextHandle*>(known);
  return 0;
}

CudaResult cuDevicePrimaryCtxRelease_v2(int device) {
  enter(fmt::format("cuDevicePrimaryCtxRelease_v2 {}", device), false);
  Context* context = context_of(device);
  if (!context) return kInvalidValue;
  return --context->retained == 0 ? driver()->contexts.remove(context) : 0;
}

CudaResult cuCtxPushCurrent_v2(ag::rt::CudaContextHandle* handle) {
  const CudaResult error = enter("cuCtxPushCurrent_v2", false);
  if (error) return error;
  const Context* context = driver()->contexts.find(handle);
  if (!context) return kInvalidContext;
  driver()->current.push_back(*context);
  return 0;
}

CudaResult cuCtxPopCurrent_v2(ag::rt::CudaContextHandle** context) {
  enter("cuCtxPopCurrent_v2");
  *context = nullptr;
  if (driver()->current.empty()) return kInvalidContext;
  driver()->current.pop_back();
  return 0;
}

CudaResult cuModuleLoadDataEx(ag::rt::CudaModuleHandle** module, const void* image, unsigned count,
                              int* options, void** values) {
  const auto* text = static_cast<const char*>(image);
  if (memcmp(text,
             "\x7f"
             "ELF",
             4) == 0) {  // a cubin: the machine runs PTX alone
    const CudaResult error = enter("cuModuleLoadDataEx cubin");
    return error ? error : kNoBinary;
  }
  const CudaResult error = enter(fmt::format("cuModuleLoadDataEx {}", strlen(text)));
  if (error) return error;
  try {
    const Module& loaded = driver()->machine.load(text);
    if (loaded.version > driver()->fake.newest_ptx) return kUnsupportedPtx;
    return driver()->modules.add(module, {&loaded, {}});
  } catch (const PtxError& wrong) {
    for (unsigned i = 0; i + 1 < count; ++i) {
      if (options[i] != ag::rt::kCudaJitErrorLog) continue;
      snprintf(static_cast<char*>(values[i]), reinterpret_cast<size_t>(values[i + 1]), "%s",
               wrong.what());
    }
    return kInvalidPtx;
  }
}

CudaResult cuModuleUnload(ag::rt::CudaModuleHandle* module) {
  enter("cuModuleUnload");
  return driver()->modules.remove(module);
}

CudaResult cuModuleGetFunction(ag::rt::CudaFunctionHandle** function,
                               ag::rt::CudaModuleHandle* handle, const char* name) {
  const CudaResult error = enter(fmt::format("cuModuleGetFunction {}", name));
  if (error) return error;
  LoadedModule* module = driver()->modules.find(handle);
  if (!module) return kInvalidValue;
  if (!module->module->kernels.contains(name)) return kNotFound;
  module->functions.push_back({module->module, name});
  *function = reinterpret_cast<ag::rt::CudaFunctionHandle*>(&module->functions.back());
  return 0;
}

CudaResult cuMemAlloc_v2(CudaPointer* address, size_t bytes) {
  const CudaResult error = enter(fmt::format("cuMemAlloc_v2 {}", bytes));
  if (error) return error;
  *address = driver()->machine.allocate(bytes);
  driver()->allocations[*address] = driver()->current.back().device;
  return 0;
}

CudaResult cuMemFree_v2(CudaPointer address) {
  enter("cuMemFree_v2");
  driver()->allocations.erase(address);
  return driver()->machine.free(address) ? 0 : kInvalidValue;
}

CudaResult cuMemcpyHtoDAsync_v2(CudaPointer destination, const void* source, size_t bytes,
                                ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemcpyHtoDAsync_v2 {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      driver()->clock += kCopyMilliseconds;
      driver()->machine.write(destination, source, bytes);
      return 0;
    });
  });
}

CudaResult cuMemcpyDtoHAsync_v2(void* destination, CudaPointer source, size_t bytes,
                                ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemcpyDtoHAsync_v2 {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      driver()->clock += kCopyMilliseconds;
      driver()->machine.read(source, destination, bytes);
      return 0;
    });
  });
}

CudaResult cuMemcpyDtoDAsync_v2(CudaPointer destination, CudaPointer source, size_t bytes,
                                ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemcpyDtoDAsync_v2 {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      std::vector<unsigned char> values(bytes);
      driver()->machine.read(source, values.data(), bytes);
      driver()->machine.write(destination, values.data(), bytes);
      return 0;
    });
  });
}

// The driver knows what it allocated; the host's memory it does not.
CudaResult cuPointerGetAttribute(void* value, int attribute, CudaPointer pointer) {
  const CudaResult error = enter(fmt::format("cuPointerGetAttribute {}", attribute));
  if (error) return error;
  if (!driver()->machine.holds(pointer)) return kInvalidValue;
  const auto allocation = std::prev(driver()->allocations.upper_bound(pointer));
  if (attribute == ag::rt::kCudaPointerMemory)
    *static_cast<unsigned*>(value) = ag::rt::kCudaDeviceMemory;
  else if (attribute == ag::rt::kCudaPointerDevice)
    *static_cast<int*>(value) = allocation->second - kFirstDevice;
  else
    return kInvalidValue;
  return 0;
}

CudaResult cuMemsetD8Async(CudaPointer destination, unsigned char value, size_t bytes,
                           ag::rt::CudaStreamHandle* stream) {
  const CudaResult error = enter(fmt::format("cuMemsetD8Async {}", bytes));
  if (error) return error;
  return guarded([&] {
    return submit(stream, [=] {
      const std::vector<unsigned char> values(bytes, value);
      driver()->machine.write(destination, values.data(), bytes);
      return 0;
    });
  });
}

CudaResult cuStreamCreate(ag::rt::CudaStreamHandle** stream, unsigned) {
  const CudaResult error = enter("cuStreamCreate");
  return error ? error : driver()->streams.add(stream, {});
}

CudaResult cuStreamDestroy_v2(ag::rt::CudaStreamHandle* stream) {
  enter("cuStreamDestroy_v2");
  return driver()->streams.remove(stream);
}

CudaResult cuStreamSynchronize(ag::rt::CudaStreamHandle*) { return enter("cuStreamSynchronize"); }

CudaResult cuStreamBeginCapture_v2(ag::rt::CudaStreamHandle* handle, unsigned) {
  const CudaResult error = enter("cuStreamBeginCapture_v2");
  if (error) return error;
  Stream* stream = driver()->streams.find(handle);
  if (!stream || stream->capturing) return kInvalidValue;
  if (!driver()->fake.captures) return kCaptureUnsupported;
  stream->capturing = std::make_unique<Graph>();
  return 0;
}

// The capture is over even where the call is to fail.
CudaResult cuStreamEndCapture(ag::rt::CudaStreamHandle* handle, ag::rt::CudaGraphHandle** graph) {
  const CudaResult error = enter("cuStreamEndCapture");
  Stream* stream = driver()->streams.find(handle);
  if (!stream || !stream->capturing) return kInvalidValue;
  const std::unique_ptr<Graph> captured = std::move(stream->capturing);
  return error ? error : driver()->graphs.add(graph, std::move(*captured));
}

CudaResult cuGraphInstantiateWithFlags(ag::rt::CudaGraphExecHandle** exec,
                                       ag::rt::CudaGraphHandle* handle, unsigned long long) {
  const CudaResult error = enter("cuGraphInstantiateWithFlags");
  if (error) return error;
  Graph* graph = driver()->graphs.find(handle);
  return graph ? driver()->execs.add(exec, *graph) : kInvalidValue;
}

CudaResult cuGraphLaunch(ag::rt::CudaGraphExecHandle* exec, ag::rt::CudaStreamHandle*) {
  CudaResult error = enter("cuGraphLaunch");
  if (error) return error;
  Graph* graph = driver()->execs.find(exec);
  if (!graph) return kInvalidValue;
  for (const Work& node : graph->nodes) {
    if (!error) error = guarded(node);
  }
  return error;
}

CudaResult cuGraphExecDestroy(ag::rt::CudaGraphExecHandle* exec) {
  enter("cuGraphExecDestroy");
  return driver()->execs.remove(exec);
}

CudaResult cuGraphDestroy(ag::rt::CudaGraphHandle* graph) {
  enter("cuGraphDestroy");
  return driver()->graphs.remove(graph);
}

CudaResult cuEventCreate(ag::rt::CudaEventHandle** event, unsigned) {
  const CudaResult error = enter("cuEventCreate");
  return error ? error : driver()->events.add(event, {});
}

CudaResult cuEventDestroy_v2(ag::rt::CudaEventHandle* event) {
  enter("cuEventDestroy_v2");
  return driver()->events.remove(event);
}

CudaResult cuEventRecord(ag::rt::CudaEventHandle* event, ag::rt::CudaStreamHandle*) {
  const CudaResult error = enter("cuEventRecord");
  if (error) return error;
  driver()->events.find(event)->milliseconds = driver()->clock;
  return 0;
}

CudaResult cuEventElapsedTime(float* milliseconds, ag::rt::CudaEventHandle* start,
                              ag::rt::CudaEventHandle* end) {
  const CudaResult error = enter("cuEventElapsedTime");
  if (error) return error;
  *milliseconds = static_cast<float>(driver()->events.find(end)->milliseconds -
                                     driver()->events.find(start)->milliseconds);
  return 0;
}

CudaResult cuLaunchKernel(ag::rt::CudaFunctionHandle* handle, unsigned blocks_x, unsigned blocks_y,
                          unsigned blocks_z, unsigned threads_x, unsigned threads_y,
                          unsigned threads_z, unsigned shared_bytes,
                          ag::rt::CudaStreamHandle* stream, void** arguments, void**) {
  const Function function = *reinterpret_cast<Function*>(handle);
  const Dim3 grid{blocks_x, blocks_y, blocks_z}, block{threads_x, threads_y, threads_z};
  const CudaResult error =
      enter(fmt::format("cuLaunchKernel {} {} {}", function.name, grid.count(), block.count()));
  if (error) return error;
  // Copied now: a graph runs long after the caller's array is gone.
  Arguments values;
  const Kernel& kernel = function.module->kernels.at(function.name);
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    values.add(arguments[i], kernel.parameters[i].bytes);
  }
  return guarded([&] {
    return submit(stream, [=] { return run_kernel(function, grid, block, shared_bytes, values); });
  });
}
}
