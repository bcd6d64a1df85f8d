// Runs whose steps are timed by events on the stream.
#include <cstdlib>

#include "runtime/cuda_run.h"
#include "runtime/instance.h"

namespace ag::rt {
namespace {

// The work of a run in order: uploads, launches, downloads. Calls visit(step, submit), where
// submit() puts the work on the stream.
template <class Visit>
int each_work(const CudaRun& run, Visit visit) {
  int code = ARGENT_OK;
  for (uint32_t i = 0; code == ARGENT_OK && i < run.entry.input_count; ++i) {
    if (run.is_copied(i)) code = visit(run.entry.slots[i].step, [&] { return run.copy_input(i); });
  }
  for (uint32_t i = 0; code == ARGENT_OK && i < run.entry.launch_count; ++i)
    code = visit(run.entry.launches[i].step, [&] { return run.launch(i, run.stream); });
  for (uint32_t i = run.entry.input_count; code == ARGENT_OK && i < run.slot_count(); ++i) {
    if (run.is_copied(i)) code = visit(run.entry.slots[i].step, [&] { return run.copy_output(i); });
  }
  return code;
}

int make_events(const CudaRun& run) {
  CudaInstance& instance = run.instance;
  const uint32_t needed = run.entry.launch_count + run.slot_count() + 1;
  if (instance.event_count >= needed) return ARGENT_OK;
  auto* events =
      static_cast<CudaEventHandle**>(realloc(instance.events, needed * sizeof(CudaEventHandle*)));
  if (!events) return fail(run.message, ARGENT_OUT_OF_MEMORY, "%s: out of memory", run.entry.name);
  instance.events = events;
  while (instance.event_count < needed) {
    const CudaResult error = run.driver().event_create(&events[instance.event_count], 0);
    if (error) return run.failed("cuEventCreate", error);
    ++instance.event_count;
  }
  return ARGENT_OK;
}

int record(const CudaRun& run, uint32_t event) {
  const CudaResult error = run.driver().event_record(run.instance.events[event], run.stream);
  return error ? run.failed("cuEventRecord", error) : ARGENT_OK;
}

int submit_timed(const CudaRun& run) {
  uint32_t next = 0;
  const int code = record(run, next++);
  if (code != ARGENT_OK) return code;
  return each_work(run, [&](uint32_t, auto submit) {
    const int submitted = submit();
    return submitted == ARGENT_OK ? record(run, next++) : submitted;
  });
}

// From the first event to that one.
int elapsed(const CudaRun& run, uint32_t event, uint64_t* nanoseconds) {
  float milliseconds = 0;
  CudaEventHandle** events = run.instance.events;
  const CudaResult error = run.driver().event_elapsed(&milliseconds, events[0], events[event]);
  if (error) return run.failed("cuEventElapsedTime", error);
  *nanoseconds = static_cast<uint64_t>(static_cast<double>(milliseconds) * 1e6);
  return ARGENT_OK;
}

int read_spans(const CudaRun& run, CudaStepSpan* spans) {
  uint64_t before = 0;
  uint32_t event = 0;
  for (uint32_t i = 0; i < run.entry.step_count; ++i) spans[i] = {};
  return each_work(run, [&](uint32_t step, auto) {
    uint64_t now = 0;
    const int code = elapsed(run, ++event, &now);
    if (spans[step].end_ns == 0) spans[step].begin_ns = before;
    spans[step].end_ns = before = now;
    return code;
  });
}

int time_entry(CudaRun& run, void* spans) {
  int code = make_events(run);
  if (code == ARGENT_OK) code = submit_timed(run);
  if (code == ARGENT_OK) code = run.wait();
  return code == ARGENT_OK ? read_spans(run, static_cast<CudaStepSpan*>(spans)) : code;
}

}  // namespace

int cuda_time(CudaInstance* instance, uint32_t entry, const CudaTensor* tensors, uint32_t count,
              CudaStreamHandle* stream, CudaStepSpan* spans, char* message) {
  return with_cuda_run(*instance, entry, tensors, count, stream, message, spans, time_entry);
}

}  // namespace ag::rt
