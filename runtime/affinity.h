// Which processors a worker may run on.
//
// Where another program keeps one processor busy, the scheduler of Linux wakes a worker on its
// caller's own and leaves both there, so that a call takes as long as on one thread. So a team's
// workers are kept off the processor that their caller runs on. One that then waits for another is
// brought to the caller's when the caller has nothing left but to wait for it.
#pragma once

#include <atomic>
#include <cstdint>

namespace ag::rt {

// As many processors as glibc's cpu_set_t has; on larger machines workers run where they like.
struct ProcessorSet {
  static constexpr int kWords = 16;
  uint64_t words[kWords];
};

struct Affinity {
  std::atomic<int32_t> thread;  // the system's number of the worker; 0 until it has started
  int32_t kept_off;             // processor + 1; 0: none yet; kBrought: see bring_to()
  ProcessorSet own;             // where the worker may run but for us
  ProcessorSet set;             // what was set last

  static constexpr int32_t kBrought = -1;
};

// The calling thread is the one that `affinity` is for.
void begin_affinity(Affinity& affinity);

// The processor that the caller runs on; -1: unknown.
int32_t current_processor();

// Lets the worker run anywhere but on `processor`; nothing changes where it may run nowhere else or
// is kept off it already. What somebody else has allowed the worker since it was last moved is
// where it may run from now on.
void keep_off(Affinity& affinity, int32_t processor);

// Lets the worker run on `processor` alone, until it is kept off one again: one that waits for a
// processor is moved there at once. Nothing changes where it may not run there.
void bring_to(Affinity& affinity, int32_t processor);

// Nanoseconds that the worker has run for; 0: unknown.
uint64_t processor_time(const Affinity& affinity);

}  // namespace ag::rt
