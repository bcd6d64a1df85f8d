// What Halide's kernels call: parallel loops, memory, errors. Their user_context is a Worker.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/instance.h"

using namespace ag::rt;

namespace {

int run_serially(void* context, halide_task_t task, int min, int size, uint8_t* closure) {
  for (int i = 0; i < size; ++i) {
    const int result = task(context, min + i, closure);
    if (result != 0) return result;
  }
  return 0;
}

// A loop whose tasks zero the halos of its results besides: a member of the team so writes those
// that lie beside what it computes, and nobody waits for the caller to write all of them.
struct ZeroingLoop {
  Loop loop;
  const Instance* instance;
  int64_t parts;

  int64_t part_of(int64_t task) const { return task * parts / loop.size; }
};

// Enough that every member has some, few beside the tasks.
constexpr int64_t kZeroParts = 8;

int zero_and_run(void* context, int index, uint8_t* closure) {
  const auto& zeroing = *reinterpret_cast<const ZeroingLoop*>(closure);
  const Instance& instance = *zeroing.instance;
  const int64_t task = index - zeroing.loop.min, part = zeroing.part_of(task);
  if (task == 0 || zeroing.part_of(task - 1) != part) {
    for (uint32_t i = 0; i < instance.waiting_count; ++i) {
      zero_part(instance.waiting_zeros[i], static_cast<uint32_t>(part),
                static_cast<uint32_t>(zeroing.parts));
    }
  }
  return zeroing.loop.task(context, index, zeroing.loop.closure);
}

int run_on_team(Instance& instance, const Loop& loop) {
  return instance.trace ? run_traced(instance, loop) : thread_pool().run(instance.team, loop);
}

int run_with_zeros(Instance& instance, const Loop& loop) {
  ZeroingLoop zeroing = {loop, &instance, loop.size < kZeroParts ? loop.size : kZeroParts};
  const int result = run_on_team(
      instance,
      {zero_and_run, loop.contexts, reinterpret_cast<uint8_t*>(&zeroing), loop.min, loop.size});
  instance.waiting_count = 0;
  return result;
}

// A block of a worker's scratch: this header, then the bytes. Blocks form a stack; one that is
// freed below the top waits until those above it are free.
struct alignas(128) Block {
  uint8_t* below;  // the top before this block
  Block* previous;
  bool free;
  bool from_libc;
};

constexpr size_t kBlockAlignment = alignof(Block);

uint8_t* aligned(uint8_t* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  return pointer + (-address & (kBlockAlignment - 1));
}

// More than the planner had counted on: still right, but the call allocates.
void* overflow(Instance& instance, size_t bytes) {
  instance.scratch_overflows.fetch_add(1, std::memory_order_relaxed);
  void* memory = nullptr;
  if (bytes > kMostStorage) return nullptr;
  if (posix_memalign(&memory, kBlockAlignment, bytes + sizeof(Block)) != 0) return nullptr;
  auto* block = static_cast<Block*>(memory);
  block->from_libc = true;
  return block + 1;
}

}  // namespace

int halide_do_par_for(void* user_context, halide_task_t task, int min, int size, uint8_t* closure) {
  auto& worker = *static_cast<Worker*>(user_context);
  Instance& instance = *worker.instance;
  if (size <= 1 || !instance.shares_loops || worker.index != 0 || worker.in_task) {
    return run_serially(user_context, task, min, size, closure);
  }
  worker.in_task = true;
  const Loop loop = {task, instance.contexts, closure, min, size};
  const int result =
      instance.waiting_count ? run_with_zeros(instance, loop) : run_on_team(instance, loop);
  worker.in_task = false;
  return result;
}

void* halide_malloc(void* user_context, size_t bytes) {
  auto& worker = *static_cast<Worker*>(user_context);
  uint8_t* start = aligned(worker.scratch_top);
  const auto room = static_cast<size_t>(worker.scratch_end - worker.scratch_top);
  if (bytes > room || bytes + sizeof(Block) + kBlockAlignment > room) {
    return overflow(*worker.instance, bytes);
  }
  auto* block = reinterpret_cast<Block*>(start);
  block->below = worker.scratch_top;
  block->previous = static_cast<Block*>(worker.last);
  block->free = false;
  block->from_libc = false;
  worker.last = block;
  worker.scratch_top = start + sizeof(Block) + bytes;
  return block + 1;
}

void halide_free(void* user_context, void* pointer) {
  if (!pointer) return;
  auto& worker = *static_cast<Worker*>(user_context);
  Block* block = static_cast<Block*>(pointer) - 1;
  if (block->from_libc) return free(block);
  block->free = true;
  for (auto* top = static_cast<Block*>(worker.last); top && top->free; top = top->previous) {
    worker.scratch_top = top->below;
    worker.last = top->previous;
  }
}

void halide_error(void* user_context, const char* message) {
  Instance& instance = *static_cast<Worker*>(user_context)->instance;
  if (instance.failed.exchange(true)) return;  // the first error is the cause
  snprintf(instance.message, sizeof instance.message, "%s", message);
}

extern "C" {

int halide_error_out_of_memory(void* user_context) {
  halide_error(user_context, "out of memory for a kernel's temporaries");
  return -11;
}

int halide_error_buffer_argument_is_null(void* user_context, const char* buffer) {
  char text[128];
  snprintf(text, sizeof text, "buffer argument %s is null", buffer);
  halide_error(user_context, text);
  return -12;
}

int halide_error_host_is_null(void* user_context, const char* buffer) {
  char text[128];
  snprintf(text, sizeof text, "the memory of %s is null", buffer);
  halide_error(user_context, text);
  return -34;
}

int halide_error_buffer_allocation_too_large(void* user_context, const char* buffer, uint64_t size,
                                             uint64_t limit) {
  char text[192];
  snprintf(text, sizeof text, "allocation of %llu bytes for %s; the limit is %llu",
           static_cast<unsigned long long>(size), buffer, static_cast<unsigned long long>(limit));
  halide_error(user_context, text);
  return -5;
}

int halide_error_specialize_fail(void* user_context, const char* message) {
  halide_error(user_context, message);
  return -31;
}

int halide_error_requirement_failed(void* user_context, const char* condition,
                                    const char* message) {
  char text[256];
  snprintf(text, sizeof text, "requirement %s failed: %s", condition, message);
  halide_error(user_context, text);
  return -27;
}
}
