// What the tests' CUDA driver (fake_cuda.h) keeps: its objects, its machine, the list of calls.
// Internal to tests/ptx/fake_*.
#pragma once

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <memory>

#include "runtime/cuda_driver.h"
#include "tests/ptx/fake_cuda.h"
#include "tests/ptx/ptx_machine.h"

namespace ag::ptx {

using ag::rt::CudaPointer;
using ag::rt::CudaResult;

inline constexpr CudaResult kInvalidValue = 1, kInvalidContext = 201, kInvalidPtx = 218,
                            kUnsupportedPtx = 222, kNoBinary = 209, kNotFound = 500,
                            kIllegalAddress = 700, kCaptureUnsupported = 900;

inline constexpr int kFirstDevice = 100;
// What the device's clock moves by.
inline constexpr double kLaunchMilliseconds = 1, kCopyMilliseconds = 0.125;

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

struct Driver {
  FakeCuda fake;  // as FAKE_CUDA says
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

std::unique_ptr<Driver>& driver();

// Notes the call; the error it is to give, or 0.
CudaResult enter(std::string call, bool needs_context = true);

Context* context_of(int device);  // null: it is not retained

// Now, or when the graph that is being captured runs.
CudaResult submit(ag::rt::CudaStreamHandle* handle, Work work);

// The machine's complaint as an error, and in the reports.
CudaResult guarded(const Work& work);

}  // namespace ag::ptx
