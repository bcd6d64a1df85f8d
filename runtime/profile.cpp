// Times of steps, as every family of instances keeps them.
#include <cstdlib>
#include <cstring>

#include "runtime/instance.h"

namespace ag::rt {
namespace {

uint64_t step_count_before(const argent_library& library, uint32_t entry) {
  uint64_t count = 0;
  for (uint32_t i = 0; i < entry; ++i) count += library.entries[i].step_count;
  return count;
}

}  // namespace

argent_step_time* step_times_of(const BaseInstance& instance, uint32_t entry) {
  return instance.step_times + step_count_before(*instance.library, entry);
}

void add_step_time(argent_step_time& time, uint64_t nanoseconds) {
  ++time.runs;
  time.total_ns += nanoseconds;
  if (nanoseconds < time.minimum_ns) time.minimum_ns = nanoseconds;
}

}  // namespace ag::rt

using namespace ag::rt;

int argent_rt_profile(argent_instance* handle, int enabled) {
  auto* instance = static_cast<BaseInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  instance->profiling = false;
  if (!enabled) return ARGENT_OK;
  const uint64_t count = step_count_before(*instance->library, instance->library->entry_count);
  if (!instance->step_times) {
    instance->step_times =
        static_cast<argent_step_time*>(malloc((count + 1) * sizeof(argent_step_time)));
  }
  if (!instance->step_times) {
    return fail(instance->message, ARGENT_OUT_OF_MEMORY, "%s: no memory for a profile",
                instance->library->name);
  }
  for (uint64_t i = 0; i < count; ++i) instance->step_times[i] = {0, UINT64_MAX, 0};
  instance->profiling = true;
  return ARGENT_OK;
}

int argent_rt_step_times(argent_instance* handle, uint32_t entry, argent_step_time* times,
                         uint32_t count) {
  auto* instance = static_cast<BaseInstance*>(handle);
  Use use(instance);
  if (!use) return use.refusal();
  const argent_library& library = *instance->library;
  if (entry >= library.entry_count || !times || count != library.entries[entry].step_count) {
    return fail(instance->message, ARGENT_BAD_ARGUMENT,
                "%s: step times of entry %u into room for %u", library.name, entry, count);
  }
  if (!instance->step_times) {
    return fail(instance->message, ARGENT_UNSUPPORTED, "%s: profiling was never turned on",
                library.name);
  }
  memcpy(times, step_times_of(*instance, entry), count * sizeof(argent_step_time));
  return ARGENT_OK;
}

const char* argent_rt_message(const argent_instance* instance) {
  return instance ? static_cast<const BaseInstance*>(instance)->message : "the instance is null";
}

void argent_rt_step_done(Profile* profile, uint32_t step) {
  const uint64_t now = now_ns(), elapsed = now - profile->last_ns;
  if (profile->instance->trace) trace_step(*profile->instance, step, profile->last_ns, now);
  if (profile->times) add_step_time(profile->times[step], elapsed);
  profile->last_ns = now;
}
