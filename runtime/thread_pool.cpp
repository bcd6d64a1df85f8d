#include "runtime/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "runtime/futex.h"

// The meeting point of all libraries of the process. An inline variable gets the ELF binding
// STB_GNU_UNIQUE: the dynamic linker resolves it to one object even between libraries that were
// opened privately. The name changes with the layout of PoolSlot or PoolFunctions.
extern "C" {
__attribute__((visibility("default"),
               used)) inline constinit ag::rt::PoolSlot argent_thread_pool_v1{};
}

namespace ag::rt {

// Borrowed workers and the loop they work on. `epoch` numbers the loops; 0 sends the workers home.
// A ticket is an epoch (upper half) and the next index to claim in it: a claim succeeds only while
// the loop it was read from is still open, which makes the fields of that loop valid.
struct Team {
  alignas(64) std::atomic<uint32_t> epoch;
  std::atomic<uint32_t> sleepers;  // workers asleep on epoch
  alignas(64) std::atomic<uint64_t> ticket;
  std::atomic<halide_task_t> task;
  std::atomic<void* const*> contexts;
  std::atomic<uint8_t*> closure;
  std::atomic<int32_t> min;
  std::atomic<uint32_t> size;
  alignas(64) std::atomic<uint32_t> finished;  // tasks of this epoch that are done
  std::atomic<uint32_t> caller_sleeps;
  std::atomic<int> failure;
  std::atomic<uint32_t> members;  // the caller and the workers that have not gone home
  uint32_t width;                 // the caller and the workers that were borrowed
  uint32_t last_epoch;
  Team* next;
};

namespace {

struct PoolThread {
  std::atomic<uint32_t> called;  // 1: there is a team to join
  Team* team;
  uint32_t member;
  PoolThread* next;
};

// Everything below is guarded by the mutex.
struct Pool {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  PoolThread* idle = nullptr;
  Team* teams = nullptr;  // not borrowed, nobody inside
  uint32_t threads = 0;
  uint32_t team_count = 0;  // all that exist
  uint32_t reservations = 0;
  pid_t process = 0;  // whose threads these are
};

constinit Pool pool;

struct Lock {
  Lock() { pthread_mutex_lock(&pool.mutex); }
  ~Lock() { pthread_mutex_unlock(&pool.mutex); }
};

uint64_t clock_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

// Looks at `done` for kSpinNanoseconds; whether it became true.
template <class Condition>
bool spin_until(Condition done) {
  const uint64_t start = clock_ns();
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_briefly();
    }
  } while (clock_ns() - start < kSpinNanoseconds);
  return done();
}

// Claims and runs tasks of the team's open loop until none is left to claim.
void work(Team& team, uint32_t member) {
  for (;;) {
    uint64_t ticket = team.ticket.load(std::memory_order_acquire);
    const uint32_t next = static_cast<uint32_t>(ticket);
    const uint32_t size = team.size.load(std::memory_order_relaxed);
    if (next >= size) return;
    const halide_task_t task = team.task.load(std::memory_order_relaxed);
    void* const* contexts = team.contexts.load(std::memory_order_relaxed);
    uint8_t* closure = team.closure.load(std::memory_order_relaxed);
    const int32_t min = team.min.load(std::memory_order_relaxed);
    const uint32_t share = (size - next) / (4 * team.width);
    const uint32_t count = share > 1 ? share : 1;
    if (!team.ticket.compare_exchange_weak(ticket, ticket + count, std::memory_order_seq_cst)) {
      continue;
    }
    for (uint32_t i = 0; i < count; ++i) {
      const int result = task(contexts[member], min + static_cast<int32_t>(next + i), closure);
      if (result != 0) {
        int none = 0;
        team.failure.compare_exchange_strong(none, result);
      }
    }
    if (team.finished.fetch_add(count) + count == size && team.caller_sleeps.load()) {
      futex_wake_all(team.finished);
    }
  }
}

// The last to leave puts the team back on the shelf.
void leave(Team& team) {
  if (team.members.fetch_sub(1) != 1) return;
  Lock lock;
  team.next = pool.teams;
  pool.teams = &team;
}

uint32_t next_epoch(Team& team, uint32_t seen) {
  uint32_t epoch = seen;
  auto changed = [&] { return (epoch = team.epoch.load(std::memory_order_acquire)) != seen; };
  if (spin_until(changed)) return epoch;
  team.sleepers.fetch_add(1);
  while ((epoch = team.epoch.load()) == seen) futex_wait(team.epoch, seen);
  team.sleepers.fetch_sub(1);
  return epoch;
}

void serve(Team& team, uint32_t member) {
  for (uint32_t epoch = team.epoch.load(); epoch != 0; epoch = next_epoch(team, epoch)) {
    work(team, member);
  }
  leave(team);
}

void* thread_main(void* argument) {
  PoolThread& self = *static_cast<PoolThread*>(argument);
  for (;;) {
    while (self.called.load(std::memory_order_acquire) == 0) futex_wait(self.called, 0);
    Team* team = self.team;
    const uint32_t member = self.member;
    self.called.store(0, std::memory_order_relaxed);
    serve(*team, member);
    Lock lock;
    self.next = pool.idle;
    pool.idle = &self;
  }
}

// A process that was forked has none of its parent's threads.
void forget_parents_threads() {
  const pid_t process = getpid();
  if (pool.process == process) return;
  pool.process = process;
  pool.idle = nullptr;
  pool.threads = 0;
}

// Starts a parked thread; false when the system refuses.
bool start_thread() {
  auto* thread = static_cast<PoolThread*>(calloc(1, sizeof(PoolThread)));
  if (!thread) return false;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals are for the program's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t id;
  const int error = pthread_create(&id, &attributes, thread_main, thread);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    free(thread);
    return false;
  }
  thread->next = pool.idle;
  pool.idle = thread;
  ++pool.threads;
  return true;
}

bool add_team() {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignof(Team), sizeof(Team)) != 0) return false;
  Team* team = new (memory) Team{};
  team->next = pool.teams;
  pool.teams = team;
  ++pool.team_count;
  return true;
}

// A team that was handed back is occupied until its last worker has left, and a worker is in one
// team at a time: reservations + threads teams are enough.
bool reserve(uint32_t workers) {
  Lock lock;
  forget_parents_threads();
  while (pool.threads < workers && start_thread()) {
  }
  while (pool.team_count < pool.reservations + 1 + pool.threads) {
    if (!add_team()) return false;
  }
  ++pool.reservations;
  return true;
}

void unreserve() {
  Lock lock;
  --pool.reservations;
}

Team* borrow(uint32_t workers) {
  PoolThread* taken = nullptr;
  Team* team;
  {
    Lock lock;
    forget_parents_threads();
    team = pool.teams;
    pool.teams = team->next;
    uint32_t count = 0;
    for (; count < workers && pool.idle; ++count) {
      PoolThread* thread = pool.idle;
      pool.idle = thread->next;
      thread->next = taken;
      thread->team = team;
      thread->member = count + 1;
      taken = thread;
    }
    team->width = count + 1;
    team->members.store(count + 1);
    if (++team->last_epoch == 0) ++team->last_epoch;
    team->ticket.store(uint64_t{team->last_epoch} << 32);
    team->size.store(0);
    team->epoch.store(team->last_epoch);
  }
  while (taken) {
    PoolThread* thread = taken;
    taken = thread->next;
    thread->called.store(1, std::memory_order_release);
    futex_wake_all(thread->called);
  }
  return team;
}

int run(Team* team, const Loop& loop) {
  team->failure.store(0, std::memory_order_relaxed);
  team->finished.store(0, std::memory_order_relaxed);
  team->caller_sleeps.store(0, std::memory_order_relaxed);
  team->task.store(loop.task, std::memory_order_relaxed);
  team->contexts.store(loop.contexts, std::memory_order_relaxed);
  team->closure.store(loop.closure, std::memory_order_relaxed);
  team->min.store(loop.min, std::memory_order_relaxed);
  const uint32_t size = static_cast<uint32_t>(loop.size);
  if (++team->last_epoch == 0) ++team->last_epoch;
  // The ticket changes before the size, so that an old ticket never meets a new size.
  team->ticket.store((uint64_t{team->last_epoch} << 32) | UINT32_MAX);
  team->size.store(size);
  team->ticket.store(uint64_t{team->last_epoch} << 32);
  team->epoch.store(team->last_epoch);
  if (team->sleepers.load() != 0) futex_wake_all(team->epoch);
  work(*team, 0);
  auto done = [&] { return team->finished.load() == size; };
  if (!spin_until(done)) {
    team->caller_sleeps.store(1);
    for (uint32_t seen; (seen = team->finished.load()) != size;) futex_wait(team->finished, seen);
  }
  return team->failure.load(std::memory_order_relaxed);
}

void give_back(Team* team) {
  team->epoch.store(0);
  if (team->sleepers.load() != 0) futex_wake_all(team->epoch);
  leave(*team);
}

constexpr PoolFunctions kFunctions = {reserve, unreserve, borrow, run, give_back};

}  // namespace

const PoolFunctions& thread_pool() {
  const PoolFunctions* functions = argent_thread_pool_v1.functions.load(std::memory_order_acquire);
  if (functions) return *functions;
  if (argent_thread_pool_v1.functions.compare_exchange_strong(functions, &kFunctions)) {
    return kFunctions;
  }
  return *functions;
}

}  // namespace ag::rt
