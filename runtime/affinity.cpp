#include "runtime/affinity.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace ag::rt {
namespace {

bool equal(const ProcessorSet& a, const ProcessorSet& b) { return memcmp(&a, &b, sizeof a) == 0; }

// The set without a processor; the set itself when nothing would be left.
ProcessorSet without(const ProcessorSet& set, int32_t processor) {
  ProcessorSet rest = set;
  const auto word = static_cast<uint32_t>(processor) / 64;
  if (word < ProcessorSet::kWords) {
    rest.words[word] &= ~(uint64_t{1} << (static_cast<uint32_t>(processor) % 64));
  }
  uint64_t any = 0;
  for (uint64_t bits : rest.words) any |= bits;
  return any ? rest : set;
}

}  // namespace

void begin_affinity(Affinity& affinity) {
  affinity.thread.store(static_cast<int32_t>(syscall(SYS_gettid)), std::memory_order_relaxed);
}

int32_t current_processor() { return sched_getcpu(); }

void keep_off(Affinity& affinity, int32_t processor) {
  const int32_t thread = affinity.thread.load(std::memory_order_relaxed);
  if (thread == 0 || processor < 0 || affinity.kept_off == processor + 1) return;
  ProcessorSet now = {};
  const bool known = syscall(SYS_sched_getaffinity, thread, sizeof now, &now) > 0;
  if (known) {
    if (affinity.kept_off == 0 || !equal(now, affinity.set)) affinity.own = now;
    affinity.set = without(affinity.own, processor);
    if (!equal(affinity.set, now)) {
      syscall(SYS_sched_setaffinity, thread, sizeof affinity.set, &affinity.set);
    }
  }
  affinity.kept_off = processor + 1;
}

}  // namespace ag::rt
