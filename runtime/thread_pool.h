// One thread pool per process. Every compiled library carries this code; the first that needs it
// publishes its functions under a symbol the dynamic linker makes unique in the process, and the
// others use those.
//
// A call borrows a team of parked workers for its parallel loops and hands it back at its end. The
// caller takes part in every loop, and only waits for tasks that a worker has begun, so that a
// worker which wakes late delays nobody.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/halide_abi.h"

namespace ag::rt {

// How long a worker that has run out of tasks looks for the next loop of the same call, and the
// caller for the last task of a loop, before it sleeps.
inline constexpr uint64_t kSpinNanoseconds = 50'000;

struct Team;

// One parallel loop: task(contexts[member], min + i, closure) for i in [0, size).
struct Loop {
  halide_task_t task;
  void* const* contexts;
  uint8_t* closure;
  int32_t min;
  int32_t size;
};

struct PoolFunctions {
  // Makes sure that teams of `workers` can be borrowed without allocating; false: out of memory.
  bool (*reserve)(uint32_t workers);
  void (*unreserve)();
  // A team of at most `workers` that are idle now; may be none. One per reservation at a time.
  Team* (*borrow)(uint32_t workers);
  // Returns 0, or what a task that failed returned.
  int (*run)(Team* team, const Loop& loop);
  void (*give_back)(Team* team);
};

struct PoolSlot {
  std::atomic<const PoolFunctions*> functions;
};

// The pool of this process.
const PoolFunctions& thread_pool();

}  // namespace ag::rt
