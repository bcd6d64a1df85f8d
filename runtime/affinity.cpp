#include "runtime/affinity.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

namespace ag::rt {
namespace {

bool equal(const ProcessorSet& a, const ProcessorSet& b) { return memcmp(&a, &b, sizeof a) == 0; }

bool has(const ProcessorSet& set, int32_t processor) {
  const auto number = static_cast<uint32_t>(processor);
  return number / 64 < ProcessorSet::kWords && (set.words[number / 64] >> (number % 64) & 1) != 0;
}

// The set without a processor; the set itself when nothing would be left.
ProcessorSet without(const ProcessorSet& set, int32_t processor) {
  if (!has(set, processor)) return set;
  ProcessorSet rest = set;
  rest.words[processor / 64] &= ~(uint64_t{1} << (processor % 64));
  uint64_t any = 0;
  for (uint64_t bits : rest.words) any |= bits;
  return any ? rest : set;
}

ProcessorSet only(int32_t processor) {
  ProcessorSet set = {};
  set.words[processor / 64] = uint64_t{1} << (processor % 64);
  return set;
}

// Where the worker may run now; notes what somebody else has allowed it. False: unknown.
bool look(Affinity& affinity, int32_t thread, ProcessorSet& now) {
  now = {};
  if (syscall(SYS_sched_getaffinity, thread, sizeof now, &now) <= 0) return false;
  if (affinity.kept_off == 0 || !equal(now, affinity.set)) affinity.own = now;
  return true;
}

void allow(Affinity& affinity, int32_t thread, const ProcessorSet& now, const ProcessorSet& set) {
  affinity.set = set;
  if (!equal(set, now)) syscall(SYS_sched_setaffinity, thread, sizeof set, &set);
}

}  // namespace

void begin_affinity(Affinity& affinity) {
  affinity.thread.store(static_cast<int32_t>(syscall(SYS_gettid)), std::memory_order_relaxed);
}

int32_t current_processor() { return sched_getcpu(); }

void keep_off(Affinity& affinity, int32_t processor) {
  const int32_t thread = affinity.thread.load(std::memory_order_relaxed);
  if (thread == 0 || processor < 0 || affinity.kept_off == processor + 1) return;
  ProcessorSet now;
  if (look(affinity, thread, now)) {
    allow(affinity, thread, now, without(affinity.own, processor));
  }
  affinity.kept_off = processor + 1;
}

void bring_to(Affinity& affinity, int32_t processor) {
  const int32_t thread = affinity.thread.load(std::memory_order_relaxed);
  ProcessorSet now;
  if (thread == 0 || processor < 0 || !look(affinity, thread, now)) return;
  if (!has(affinity.own, processor)) return;
  allow(affinity, thread, now, only(processor));
  affinity.kept_off = Affinity::kBrought;
}

uint64_t processor_time(const Affinity& affinity) {
  const int32_t thread = affinity.thread.load(std::memory_order_relaxed);
  // The clock of a thread (the kernel's MAKE_THREAD_CPUCLOCK), of the time that it was scheduled.
  const auto clock = static_cast<clockid_t>((~static_cast<uint32_t>(thread) << 3) | 4 | 2);
  timespec t;
  if (thread == 0 || clock_gettime(clock, &t) != 0) return 0;
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace ag::rt
