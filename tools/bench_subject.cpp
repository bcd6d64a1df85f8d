#include "tools/bench_subject.h"

#include <chrono>

#include "ir/philox.h"

namespace ag {
namespace {

Array sample_input(const TensorType& type) {
  Array array(type.dtype, type.shape);
  if (!is_float(type.dtype)) return array;
  for (int64_t i = 0; i < array.count(); ++i) {
    const PhiloxBlock block = philox4x32({}, {static_cast<uint32_t>(i)});
    array.set_double(i, 2 * static_cast<double>(philox_uniform(block[0])) - 1);
  }
  return array;
}

// Of a traced run; its first event begins it, and one of its last ends it.
uint64_t duration_ns(const std::vector<argent_trace_event>& events) {
  uint64_t end = 0;
  for (const argent_trace_event& event : events) end = std::max(end, event.end_ns);
  return events.empty() ? 0 : end - events.front().begin_ns;
}

}  // namespace

BenchSubject::BenchSubject(ProgramInstance& instance, int entry)
    : instance_(instance), entry_(entry) {
  for (uint32_t i = 0; i < info().input_count; ++i)
    inputs_.push_back(sample_input(type_of(*info().inputs[i])));
  for (uint32_t i = 0; i < info().output_count; ++i) {
    const TensorType type = type_of(*info().outputs[i]);
    outputs_.emplace_back(type.dtype, type.shape);
  }
  for (const Array& input : inputs_) in_.push_back(&input);
  for (Array& output : outputs_) out_.push_back(&output);
}

std::span<const argent_step_detail> BenchSubject::details() const {
  return step_details(instance_.program().library(), entry_);
}

double BenchSubject::run() {
  const auto start = std::chrono::steady_clock::now();
  instance_.run(entry_, in_, out_);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<argent_step_time> BenchSubject::profile(int runs) {
  instance_.set_profiling(true);
  for (int i = 0; i < runs; ++i) run();
  std::vector<argent_step_time> times = instance_.step_times(entry_);
  instance_.set_profiling(false);
  return times;
}

std::vector<argent_trace_event> BenchSubject::trace(int runs) {
  // Of each step itself and of each thread's tasks, which are few where they follow each other.
  const size_t most = steps().size() * 512 + 4096;
  std::vector<argent_trace_event> best;
  for (int i = 0; i < runs; ++i) {
    std::vector<argent_trace_event> events = instance_.run_traced(entry_, in_, out_, most);
    if (best.empty() || duration_ns(events) < duration_ns(best)) best = std::move(events);
  }
  return best;
}

}  // namespace ag
