// A measurement as a trace in the Trace Event Format of chrome://tracing, which Perfetto reads.
#include <algorithm>

#include "tools/measurement.h"

namespace ag {
namespace {

// Tracks of one entry; times count from the entry's first event, in microseconds.
class EntryTrack {
 public:
  EntryTrack(const MeasuredEntry& entry, int process, nlohmann::json& events)
      : entry_(entry), process_(process), events_(events) {}

  void write(const Measurement& measurement) {
    name("process_name", 0, measurement.name + " " + entry_.name);
    uint32_t threads = 0;
    for (const argent_trace_event& event : entry_.events)
      threads = std::max(threads, event.thread + 1);
    for (uint32_t thread = 0; thread < threads; ++thread)
      name("thread_name", thread,
           entry_.limits.is_device ? "stream"
           : thread == 0           ? "caller"
                                   : "worker " + std::to_string(thread));
    for (const argent_trace_event& event : entry_.events) {
      event.tasks == 0 ? write_step(event) : write_tasks(event);
    }
  }

 private:
  double time(uint64_t nanoseconds) const {
    return static_cast<double>(nanoseconds - entry_.events.front().begin_ns) * 1e-3;
  }

  nlohmann::json event(const char* phase, const std::string& name, uint32_t thread) const {
    return {{"ph", phase}, {"name", name}, {"pid", process_}, {"tid", thread}};
  }

  void name(const char* what, uint32_t thread, const std::string& value) {
    nlohmann::json named = event("M", what, thread);
    named["args"] = {{"name", value}};
    events_.push_back(std::move(named));
  }

  nlohmann::json slice(const argent_trace_event& traced, const char* category) const {
    const MeasuredStep& step = entry_.steps[traced.step];
    nlohmann::json slice = event("X", step.layer.empty() ? step.kernel : step.layer, traced.thread);
    slice["cat"] = category;
    slice["ts"] = time(traced.begin_ns);
    slice["dur"] = static_cast<double>(traced.end_ns - traced.begin_ns) * 1e-3;
    return slice;
  }

  void write_step(const argent_trace_event& traced) {
    const MeasuredStep& step = entry_.steps[traced.step];
    const double nanoseconds = std::max(1.0, static_cast<double>(traced.end_ns - traced.begin_ns));
    nlohmann::json kernel = slice(traced, "kernel");
    kernel["args"] = {{"kernel", step.kernel},
                      {"line", step.source()},
                      {"algorithm", step.algorithm},
                      {"schedule", step.schedule},
                      {"flops", step.flops},
                      {"bytes", step.bytes},
                      {"GFLOP/s", static_cast<double>(step.flops) / nanoseconds},
                      {"GB/s", static_cast<double>(step.bytes) / nanoseconds}};
    events_.push_back(std::move(kernel));
    nlohmann::json arena = event("C", "arena in use", 0);
    arena["ts"] = time(traced.begin_ns);
    arena["args"] = {{"KiB", static_cast<double>(step.live_bytes) / 1024}};
    events_.push_back(std::move(arena));
  }

  void write_tasks(const argent_trace_event& traced) {
    nlohmann::json tasks = slice(traced, "tasks");
    tasks["args"] = {{"tasks", traced.tasks}};
    events_.push_back(std::move(tasks));
  }

  const MeasuredEntry& entry_;
  int process_;
  nlohmann::json& events_;
};

}  // namespace

std::string chrome_trace(const Measurement& measurement) {
  nlohmann::json events = nlohmann::json::array();
  int process = 0;
  for (const MeasuredEntry& entry : measurement.entries)
    EntryTrack(entry, ++process, events).write(measurement);
  const nlohmann::json trace = {{"displayTimeUnit", "ns"},
                                {"otherData",
                                 {{"network", measurement.name},
                                  {"target", measurement.target},
                                  {"threads", measurement.threads}}},
                                {"traceEvents", std::move(events)}};
  return trace.dump() + "\n";
}

}  // namespace ag
