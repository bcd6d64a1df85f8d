// What each thread does in a run, as events in the caller's memory.
#include "runtime/instance.h"

using namespace ag::rt;

namespace {

// Tasks of one thread with less between them are one event.
constexpr uint64_t kGapNanoseconds = 2'000;

void add_task(Worker& worker, uint64_t begin_ns, uint64_t end_ns) {
  Instance& instance = *worker.instance;
  const uint32_t step = instance.trace_step;
  argent_trace_event* last = worker.event;
  if (last && last->step == step && begin_ns - last->end_ns < kGapNanoseconds) {
    last->end_ns = end_ns;
    ++last->tasks;
    return;
  }
  worker.event = add_event(*instance.trace, {begin_ns, end_ns, step, worker.index, 1, 0});
}

struct TracedLoop {
  halide_task_t task;
  uint8_t* closure;
};

int run_task(void* context, int index, uint8_t* closure) {
  const TracedLoop loop = *reinterpret_cast<const TracedLoop*>(closure);
  const uint64_t begin_ns = now_ns();
  const int result = loop.task(context, index, loop.closure);
  add_task(*static_cast<Worker*>(context), begin_ns, now_ns());
  return result;
}

}  // namespace

namespace ag::rt {

argent_trace_event* add_event(argent_trace_room& room, const argent_trace_event& event) {
  const uint64_t place = __atomic_fetch_add(&room.count, 1, __ATOMIC_RELAXED);
  if (place >= room.capacity) return nullptr;
  room.events[place] = event;
  return room.events + place;
}

void trace_step(Instance& instance, uint32_t step, uint64_t begin_ns, uint64_t end_ns) {
  add_event(*instance.trace, {begin_ns, end_ns, step, 0, 0, 0});
  instance.trace_step = step + 1;
}

int run_traced(Instance& instance, const Loop& loop) {
  TracedLoop traced = {loop.task, loop.closure};
  return thread_pool().run(
      instance.team,
      {run_task, loop.contexts, reinterpret_cast<uint8_t*>(&traced), loop.min, loop.size});
}

}  // namespace ag::rt

int argent_rt_trace(argent_instance* handle, argent_trace_room* room) {
  auto* instance = static_cast<BaseInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  if (room && !room->events && room->capacity != 0) {
    return fail(instance->message, ARGENT_BAD_ARGUMENT, "%s: room for %llu events at no address",
                instance->library->name, static_cast<unsigned long long>(room->capacity));
  }
  instance->trace = room;
  return ARGENT_OK;
}
