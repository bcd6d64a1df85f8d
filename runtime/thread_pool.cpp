#include "runtime/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "runtime/affinity.h"
#include "runtime/futex.h"

// The meeting point of all libraries of the process. An inline variable gets the ELF binding
// STB_GNU_UNIQUE: the dynamic linker resolves it to one object even between libraries that were
// opened privately. The name changes with the layout of PoolSlot or PoolFunctions.
extern "C" {
__attribute__((visibility("default"),
               used)) inline constinit ag::rt::PoolSlot argent_thread_pool_v1{};
}

namespace ag::rt {

struct PoolThread;

// A loop as its team sees it. Loop `epoch` is in slot epoch % 2, which the caller overwrites when
// the epoch is one more: what was read while the epoch stayed the same belongs together.
struct alignas(64) LoopSlot {
  std::atomic<halide_task_t> task;
  std::atomic<void* const*> contexts;
  std::atomic<uint8_t*> closure;
  std::atomic<int32_t> min;
  std::atomic<uint32_t> size;
};

// Neighbouring tasks that are one member's to begin with, and others' when it does not come to
// them. The ticket is the epoch they were claimed in (upper half) and how many were; of an earlier
// epoch it means none. All of them have been claimed when the epoch ends, so that a claim by a
// member who is late finds another ticket than it has seen, and fails.
struct alignas(64) Share {
  std::atomic<uint64_t> ticket;
};

// How long a caller sleeps before it looks again whether its workers run.
constexpr long kLookNanoseconds = 500'000;

// Members beyond this number share shares.
constexpr uint32_t kMostShares = 16;

// Borrowed workers and the loop they work on. `epoch` numbers the loops of a call; 0 sends the
// workers home.
struct Team {
  alignas(64) std::atomic<uint32_t> epoch;
  std::atomic<uint32_t> sleepers;  // workers asleep on epoch
  LoopSlot slots[2];
  alignas(64) std::atomic<uint32_t> finished;  // tasks of this epoch that are done
  std::atomic<uint32_t> caller_sleeps;
  std::atomic<int> failure;
  std::atomic<uint32_t> members;  // the caller and the workers that have not gone home
  uint32_t width;                 // the caller and the workers that were borrowed
  uint32_t last_epoch;
  int32_t processor;     // of the caller, which workers are kept off
  PoolThread* borrowed;  // the workers
  Team* next;
  Share shares[kMostShares];
};

struct PoolThread {
  std::atomic<uint32_t> called;  // 1: there is a team to join
  Team* team;
  uint32_t member;
  PoolThread* next;
  Affinity affinity;
  uint64_t processor_time;  // when the caller last looked
};

namespace {

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

// Looks at `done` for so long; whether it became true.
template <class Condition>
bool spin_until(Condition done, uint64_t nanoseconds = kSpinNanoseconds) {
  const uint64_t start = clock_ns();
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_briefly();
    }
  } while (clock_ns() - start < nanoseconds);
  return done();
}

struct OpenLoop {
  uint32_t epoch;
  halide_task_t task;
  void* const* contexts;
  uint8_t* closure;
  int32_t min;
  uint32_t size;
};

// False: the loop is over, and what was read is worth nothing.
bool read_loop(const Team& team, uint32_t epoch, OpenLoop& loop) {
  const LoopSlot& slot = team.slots[epoch % 2];
  loop.epoch = epoch;
  loop.task = slot.task.load(std::memory_order_acquire);
  loop.contexts = slot.contexts.load(std::memory_order_acquire);
  loop.closure = slot.closure.load(std::memory_order_acquire);
  loop.min = slot.min.load(std::memory_order_acquire);
  loop.size = slot.size.load(std::memory_order_acquire);
  return team.epoch.load(std::memory_order_acquire) == epoch;
}

struct Claim {
  uint32_t first, count;
};

// The next tasks of a share; none when all are claimed.
Claim claim(Team& team, const OpenLoop& loop, uint32_t share, uint32_t shares) {
  const auto begin = static_cast<uint32_t>(uint64_t{loop.size} * share / shares);
  const auto end = static_cast<uint32_t>(uint64_t{loop.size} * (share + 1) / shares);
  constexpr uint32_t kClaims = 8;  // at least, of a long share: the last ones balance
  std::atomic<uint64_t>& ticket = team.shares[share].ticket;
  uint64_t seen = ticket.load(std::memory_order_acquire);
  for (;;) {
    const bool begun = static_cast<uint32_t>(seen >> 32) == loop.epoch;
    if (!begun && team.epoch.load(std::memory_order_acquire) != loop.epoch) return {0, 0};
    const uint32_t claimed = begun ? static_cast<uint32_t>(seen) : 0;
    const uint32_t left = end - begin - claimed;
    if (left == 0) return {0, 0};
    const uint32_t count = left > kClaims ? left / kClaims : 1;
    const uint64_t taken = (uint64_t{loop.epoch} << 32) | (claimed + count);
    if (ticket.compare_exchange_weak(seen, taken, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      return {begin + claimed, count};
    }
  }
}

void run_tasks(Team& team, const OpenLoop& loop, uint32_t member, Claim tasks) {
  for (uint32_t i = 0; i < tasks.count; ++i) {
    const int result = loop.task(loop.contexts[member],
                                 loop.min + static_cast<int32_t>(tasks.first + i), loop.closure);
    if (result != 0) {
      int none = 0;
      team.failure.compare_exchange_strong(none, result);
    }
  }
}

// Claims and runs tasks of a loop until none is left to claim: those of the member's own share,
// then the others'.
void work(Team& team, uint32_t member, uint32_t epoch) {
  OpenLoop loop;
  if (!read_loop(team, epoch, loop)) return;
  const uint32_t shares = team.width < kMostShares ? team.width : kMostShares;
  const uint32_t own = member * shares / team.width;
  uint32_t done = 0;
  for (uint32_t i = 0; i < shares; ++i) {
    const uint32_t share = (own + i) % shares;
    for (Claim tasks; (tasks = claim(team, loop, share, shares)).count != 0;) {
      run_tasks(team, loop, member, tasks);
      done += tasks.count;
    }
  }
  if (done == 0) return;
  if (team.finished.fetch_add(done) + done == loop.size && team.caller_sleeps.load()) {
    futex_wake_all(team.finished);
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
    work(team, member, epoch);
  }
  leave(team);
}

void* thread_main(void* argument) {
  PoolThread& self = *static_cast<PoolThread*>(argument);
  begin_affinity(self.affinity);
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

// Publishes the next loop.
void open_loop(Team& team, const Loop& loop) {
  const uint32_t epoch = ++team.last_epoch;  // a call has fewer loops than there are epochs
  LoopSlot& slot = team.slots[epoch % 2];
  slot.task.store(loop.task, std::memory_order_release);
  slot.contexts.store(loop.contexts, std::memory_order_release);
  slot.closure.store(loop.closure, std::memory_order_release);
  slot.min.store(loop.min, std::memory_order_release);
  slot.size.store(static_cast<uint32_t>(loop.size), std::memory_order_release);
  team.epoch.store(epoch);
}

// A team from the shelf, where nobody is inside: its epochs begin anew, with a loop without tasks.
void begin_team(Team& team, uint32_t workers) {
  team.width = workers + 1;
  team.members.store(workers + 1);
  for (Share& share : team.shares) share.ticket.store(0, std::memory_order_relaxed);
  team.last_epoch = 0;
  open_loop(team, {nullptr, nullptr, nullptr, 0, 0});
}

Team* borrow(uint32_t workers) {
  Team* team;
  {
    Lock lock;
    forget_parents_threads();
    team = pool.teams;
    pool.teams = team->next;
    team->borrowed = nullptr;
    uint32_t count = 0;
    for (; count < workers && pool.idle; ++count) {
      PoolThread* thread = pool.idle;
      pool.idle = thread->next;
      thread->next = team->borrowed;
      thread->team = team;
      thread->member = count + 1;
      team->borrowed = thread;
    }
    begin_team(*team, count);
  }
  team->processor = current_processor();
  for (PoolThread* thread = team->borrowed; thread; thread = thread->next) {
    keep_off(thread->affinity, team->processor);
    thread->called.store(1, std::memory_order_release);
    futex_wake_all(thread->called);
  }
  return team;
}

// The caller may have moved to where a worker waits.
void follow_caller(Team& team) {
  const int32_t processor = current_processor();
  if (processor == team.processor) return;
  team.processor = processor;
  for (PoolThread* thread = team.borrowed; thread; thread = thread->next) {
    keep_off(thread->affinity, processor);
  }
}

void note_processor_times(Team& team) {
  for (PoolThread* thread = team.borrowed; thread; thread = thread->next) {
    thread->processor_time = processor_time(thread->affinity);
  }
}

// Brings the workers that have not run since their processor time was noted to the caller's
// processor, which it is about to leave: another program has theirs.
void bring_waiting(Team& team) {
  const int32_t processor = current_processor();
  for (PoolThread* thread = team.borrowed; thread; thread = thread->next) {
    const uint64_t time = processor_time(thread->affinity);
    if (time == 0 || time != thread->processor_time) continue;
    bring_to(thread->affinity, processor);
    team.processor = -1;  // the next loop keeps them off it again
  }
}

// Waits for the tasks that workers have claimed.
void wait_for_workers(Team& team, uint32_t size) {
  const auto done = [&] { return team.finished.load() == size; };
  if (spin_until(done, kSpinNanoseconds / 2)) return;
  note_processor_times(team);
  if (spin_until(done, kSpinNanoseconds / 2)) return;
  team.caller_sleeps.store(1);
  const timespec while_asleep = {0, kLookNanoseconds};
  for (uint32_t seen; (seen = team.finished.load()) != size;) {
    bring_waiting(team);
    note_processor_times(team);
    futex_wait(team.finished, seen, &while_asleep);
  }
}

int run(Team* team, const Loop& loop) {
  follow_caller(*team);
  team->failure.store(0, std::memory_order_relaxed);
  team->finished.store(0, std::memory_order_relaxed);
  team->caller_sleeps.store(0, std::memory_order_relaxed);
  open_loop(*team, loop);
  if (team->sleepers.load() != 0) futex_wake_all(team->epoch);
  work(*team, 0, team->last_epoch);
  wait_for_workers(*team, static_cast<uint32_t>(loop.size));
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
