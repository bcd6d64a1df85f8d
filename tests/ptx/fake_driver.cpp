#include "tests/ptx/fake_driver.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace ag::ptx {
namespace {

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

std::unique_ptr<Driver> make_driver() {
  auto driver = std::make_unique<Driver>();
  driver->fake = fake_of_environment();
  return driver;
}

}  // namespace

// Never destroyed: the log is written when the program ends.
std::unique_ptr<Driver>& driver() {
  static auto& driver = *new std::unique_ptr<Driver>(make_driver());
  return driver;
}

CudaResult enter(std::string call, bool needs_context) {
  FakeCuda& fake = driver()->fake;
  fake.calls.push_back(std::move(call));
  if (fake.calls.size() == fake.fail_call) return fake.fail_error;
  return needs_context && driver()->current.empty() ? kInvalidContext : 0;
}

Context* context_of(int device) {
  return driver()->contexts.find_if([&](const Context& c) { return c.device == device; });
}

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

}  // namespace ag::ptx

using namespace ag::ptx;

extern "C" {

FakeCuda& fake_cuda_state() { return driver()->fake; }
void fake_cuda_reset() { driver() = make_driver(); }

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
}
