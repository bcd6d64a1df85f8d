// The thread pool under load; this test also runs under ThreadSanitizer.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "runtime/affinity.h"
#include "runtime/instance.h"
#include "runtime/thread_pool.h"

using namespace ag::rt;

namespace {

struct Sum {
  std::vector<int64_t> cells;  // one per index: written by exactly one task
  std::atomic<int64_t> runs{0};
  std::atomic<uint32_t> members{0};  // bits of the contexts that took part
  int fail_at = -1;
};

struct Context {
  uint32_t member;
};

int add_index(void* context, int index, uint8_t* closure) {
  Sum& sum = *reinterpret_cast<Sum*>(closure);
  sum.members.fetch_or(1u << static_cast<Context*>(context)->member);
  sum.runs.fetch_add(1, std::memory_order_relaxed);
  if (index == sum.fail_at) return -5;
  sum.cells[static_cast<size_t>(index - 100)] += index;
  return 0;
}

// Contexts of up to eight members.
struct Contexts {
  Contexts() {
    for (uint32_t i = 0; i < 8; ++i) {
      contexts[i] = {i};
      pointers[i] = &contexts[i];
    }
  }
  Context contexts[8];
  void* pointers[8];
};

int run_loop(Team* team, Contexts& contexts, Sum& sum, int size) {
  return thread_pool().run(
      team, {add_index, contexts.pointers, reinterpret_cast<uint8_t*>(&sum), 100, size});
}

bool every_cell_once(const Sum& sum, int64_t times) {
  for (size_t i = 0; i < sum.cells.size(); ++i) {
    if (sum.cells[i] != times * (100 + static_cast<int64_t>(i))) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("every task of a loop runs exactly once, however many threads") {
  for (uint32_t workers : {1u, 2u, 3u, 7u}) {
    REQUIRE(thread_pool().reserve(workers));
    Contexts contexts;
    for (int size : {1, 2, 3, 17, 1000}) {
      Sum sum;
      sum.cells.resize(static_cast<size_t>(size));
      Team* team = thread_pool().borrow(workers);
      for (int repeat = 0; repeat < 50; ++repeat) CHECK(run_loop(team, contexts, sum, size) == 0);
      thread_pool().give_back(team);
      CHECK(sum.runs == 50 * size);
      CHECK(every_cell_once(sum, 50));
    }
    thread_pool().unreserve();
  }
}

TEST_CASE("workers take part in long loops") {
  REQUIRE(thread_pool().reserve(2));
  Contexts contexts;
  Sum sum;
  sum.cells.resize(200'000);
  uint32_t members = 0;
  for (int repeat = 0; repeat < 200 && members != 7; ++repeat) {
    Team* team = thread_pool().borrow(2);
    CHECK(run_loop(team, contexts, sum, 200'000) == 0);
    thread_pool().give_back(team);
    members = sum.members.load();
  }
  CHECK(members == 7);
  thread_pool().unreserve();
}

namespace {

// The first task that each of two members ran in a loop.
struct Firsts {
  std::atomic<int> of[2] = {-1, -1};
};

int note_first(void* context, int index, uint8_t* closure) {
  Firsts& firsts = *reinterpret_cast<Firsts*>(closure);
  int none = -1;
  firsts.of[static_cast<Context*>(context)->member].compare_exchange_strong(none, index);
  for (int i = 0; i < 200; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
  return 0;
}

}  // namespace

TEST_CASE("a member runs its own part of a loop before the others'") {
  REQUIRE(thread_pool().reserve(1));
  Contexts contexts;
  int shared = 0;
  for (int repeat = 0; repeat < 2000 && shared < 50; ++repeat) {
    Team* team = thread_pool().borrow(1);
    for (int size : {2, 7, 64, 1000}) {
      Firsts firsts;
      CHECK(thread_pool().run(team, {note_first, contexts.pointers,
                                     reinterpret_cast<uint8_t*>(&firsts), 0, size}) == 0);
      if (firsts.of[0] >= 0 && firsts.of[1] >= 0) ++shared;
      CHECK(firsts.of[0] < size / 2);
      CHECK((firsts.of[1] < 0 || firsts.of[1] >= size / 2));
    }
    thread_pool().give_back(team);
  }
  CHECK(shared > 0);
  thread_pool().unreserve();
}

TEST_CASE("a task's failure comes back and the other tasks still run") {
  REQUIRE(thread_pool().reserve(2));
  Contexts contexts;
  Sum sum;
  sum.cells.resize(64);
  sum.fail_at = 110;
  Team* team = thread_pool().borrow(2);
  CHECK(run_loop(team, contexts, sum, 64) == -5);
  CHECK(sum.runs == 64);
  sum.fail_at = -1;
  CHECK(run_loop(team, contexts, sum, 64) == 0);
  thread_pool().give_back(team);
  thread_pool().unreserve();
}

TEST_CASE("many callers share the pool") {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 6; ++c) {
    callers.emplace_back([&, c] {
      Contexts contexts;
      const auto workers = static_cast<uint32_t>(1 + c % 4);
      for (int round = 0; round < 20; ++round) {
        if (!thread_pool().reserve(workers)) ++wrong;
        for (int call = 0; call < 20; ++call) {
          Sum sum;
          sum.cells.resize(97);
          Team* team = thread_pool().borrow(workers);
          for (int loop = 0; loop < 5; ++loop) wrong += run_loop(team, contexts, sum, 97) != 0;
          thread_pool().give_back(team);
          wrong += !every_cell_once(sum, 5);
        }
        thread_pool().unreserve();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("a forked process runs its loops without its parent's threads") {
  REQUIRE(thread_pool().reserve(2));
  Contexts contexts;
  Sum sum;
  sum.cells.resize(100);
  auto call = [&] {
    Team* team = thread_pool().borrow(2);
    const int code = run_loop(team, contexts, sum, 100);
    thread_pool().give_back(team);
    return code;
  };
  CHECK(call() == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool right = true;
    for (int i = 0; i < 50; ++i) right = right && call() == 0;
    _exit(right && every_cell_once(sum, 51) ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  thread_pool().unreserve();
}

TEST_CASE("a worker that sleeps between loops wakes for the next") {
  REQUIRE(thread_pool().reserve(1));
  Contexts contexts;
  Sum sum;
  sum.cells.resize(1000);
  Team* team = thread_pool().borrow(1);
  for (int loop = 0; loop < 20; ++loop) {
    std::this_thread::sleep_for(std::chrono::microseconds(loop * 20));  // below and above the spin
    CHECK(run_loop(team, contexts, sum, 1000) == 0);
  }
  thread_pool().give_back(team);
  CHECK(every_cell_once(sum, 20));
  thread_pool().unreserve();
}

namespace {

struct Places {
  std::atomic<int> at = -1;  // member 1's processor
  cpu_set_t allowed;
};

int note_place(void* context, int, uint8_t* closure) {
  Places& places = *reinterpret_cast<Places*>(closure);
  if (static_cast<Context*>(context)->member == 0) {
    // The worker is to come to its own task.
    for (int i = 0; i < 100'000 && places.at == -1; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return 0;
  }
  sched_getaffinity(0, sizeof places.allowed, &places.allowed);
  places.at = sched_getcpu();
  return 0;
}

cpu_set_t only(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return set;
}

}  // namespace

TEST_CASE("workers are kept off their caller's processor") {
  REQUIRE(thread_pool().reserve(1));
  cpu_set_t all;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  Contexts contexts;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &all)) continue;
    const cpu_set_t here = only(processor);
    REQUIRE(sched_setaffinity(0, sizeof here, &here) == 0);
    Team* team = thread_pool().borrow(1);
    Places places;
    CHECK(thread_pool().run(team, {note_place, contexts.pointers,
                                   reinterpret_cast<uint8_t*>(&places), 0, 2}) == 0);
    thread_pool().give_back(team);
    REQUIRE(places.at >= 0);
    cpu_set_t expected = all;
    if (CPU_COUNT(&all) > 1) CPU_CLR(processor, &expected);
    CHECK(CPU_EQUAL(&places.allowed, &expected));
    CHECK(CPU_ISSET(places.at, &expected));
  }
  REQUIRE(sched_setaffinity(0, sizeof all, &all) == 0);
  thread_pool().unreserve();
}

TEST_CASE("where a worker may run stays what others have decided") {
  cpu_set_t all;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  int processors[2] = {-1, -1};
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &all)) continue;
    processors[processors[0] < 0 ? 0 : 1] = processor;
  }
  if (processors[1] < 0) return;  // nothing to choose between
  std::atomic<bool> stop = false;
  std::atomic<int> thread = 0;
  Affinity affinity{};
  std::thread worker([&] {
    begin_affinity(affinity);
    thread = affinity.thread.load();
    while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  while (thread == 0) std::this_thread::yield();
  const auto allowed = [&] {
    cpu_set_t set;
    CHECK(sched_getaffinity(thread, sizeof set, &set) == 0);
    return set;
  };
  keep_off(affinity, processors[0]);
  const cpu_set_t rest = allowed();
  CHECK_FALSE(CPU_ISSET(processors[0], &rest));
  CHECK(CPU_COUNT(&rest) == CPU_COUNT(&all) - 1);
  const cpu_set_t first = only(processors[0]);
  REQUIRE(sched_setaffinity(thread, sizeof first, &first) == 0);
  for (int processor : {processors[1], processors[0], processors[1]}) {
    keep_off(affinity, processor);
    const cpu_set_t now = allowed();
    CHECK(CPU_EQUAL(&now, &first));
  }
  stop = true;
  worker.join();
}

TEST_CASE("a worker is brought to a processor and kept off it again") {
  cpu_set_t all;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  Affinity affinity{};
  begin_affinity(affinity);  // this thread is the worker
  const auto allowed = [] {
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    return set;
  };
  const int here = sched_getcpu();
  bring_to(affinity, here);
  const cpu_set_t expected = only(here), brought = allowed();
  CHECK(CPU_EQUAL(&brought, &expected));
  keep_off(affinity, here);
  cpu_set_t rest = all;
  if (CPU_COUNT(&all) > 1) CPU_CLR(here, &rest);
  const cpu_set_t kept = allowed();
  CHECK(CPU_EQUAL(&kept, &rest));
  // Somebody else decides: not to where that is not allowed.
  REQUIRE(sched_setaffinity(0, sizeof expected, &expected) == 0);
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (processor == here || !CPU_ISSET(processor, &all)) continue;
    bring_to(affinity, processor);
    const cpu_set_t now = allowed();
    CHECK(CPU_EQUAL(&now, &expected));
  }
  REQUIRE(sched_setaffinity(0, sizeof all, &all) == 0);
}

TEST_CASE("a worker's processor time stands still while it sleeps") {
  Affinity affinity{};
  CHECK(processor_time(affinity) == 0);
  std::atomic<int> phase = 0;  // 1: ready; 2: to run; 3: to end
  std::thread worker([&] {
    begin_affinity(affinity);
    phase = 1;
    phase.wait(1);
    while (phase == 2) std::atomic_signal_fence(std::memory_order_seq_cst);
  });
  while (phase == 0) std::this_thread::yield();
  const auto passes_in_a_while = [&] {
    const uint64_t before = processor_time(affinity);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return processor_time(affinity) - before;
  };
  passes_in_a_while();  // until it sleeps
  CHECK(passes_in_a_while() == 0);
  phase = 2;
  phase.notify_one();
  CHECK(passes_in_a_while() > 0);
  phase = 3;
  worker.join();
}

namespace {

void busy_for(std::chrono::microseconds time) {
  const auto stop = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < stop) {
  }
}

int busy_task(void*, int, uint8_t*) {
  busy_for(std::chrono::microseconds(200));
  return 0;
}

}  // namespace

TEST_CASE("a worker whose processor others have does not hold up its caller") {
  cpu_set_t all;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  if (CPU_COUNT(&all) < 2 || CPU_COUNT(&all) > 8) return;  // one processor, or too many to fill
  REQUIRE(thread_pool().reserve(1));
  const int here = sched_getcpu();
  const cpu_set_t caller = only(here);
  REQUIRE(sched_setaffinity(0, sizeof caller, &caller) == 0);
  // So many that the worker's turn comes every 100 ms or so.
  cpu_set_t rest = all;
  CPU_CLR(here, &rest);
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 40 * CPU_COUNT(&rest); ++i) {
    others.emplace_back([&] {
      sched_setaffinity(0, sizeof rest, &rest);
      while (!stop) std::atomic_signal_fence(std::memory_order_seq_cst);
    });
  }
  Contexts contexts;
  std::chrono::steady_clock::duration longest{};
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  Team* team = thread_pool().borrow(1);
  while (std::chrono::steady_clock::now() < end) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(thread_pool().run(team, {busy_task, contexts.pointers, nullptr, 0, 4}) == 0);
    longest = std::max(longest, std::chrono::steady_clock::now() - start);
  }
  thread_pool().give_back(team);
  stop = true;
  for (std::thread& other : others) other.join();
  REQUIRE(sched_setaffinity(0, sizeof all, &all) == 0);
  thread_pool().unreserve();
  CHECK(longest < std::chrono::milliseconds(50));
}

TEST_CASE("scratch memory is a stack that tolerates frees out of order") {
  const Image image{};
  Instance instance{};
  instance.image = &image;
  REQUIRE(allocate_workers(instance, 1));
  Worker& worker = instance.workers[0];
  uint8_t* start = worker.scratch_top;
  void* first = halide_malloc(&worker, 1000);
  void* second = halide_malloc(&worker, 1);
  void* third = halide_malloc(&worker, 129);
  for (void* block : {first, second, third}) {
    REQUIRE(block);
    CHECK(reinterpret_cast<uintptr_t>(block) % 128 == 0);
  }
  halide_free(&worker, first);
  CHECK(worker.scratch_top > start);
  halide_free(&worker, third);
  halide_free(&worker, second);
  CHECK(worker.scratch_top == start);
  CHECK(instance.scratch_overflows == 0);
  void* large = halide_malloc(&worker, 1 << 20);
  REQUIRE(large);
  CHECK(instance.scratch_overflows == 1);
  halide_free(&worker, large);
  halide_free(&worker, nullptr);
  CHECK(halide_malloc(&worker, ~size_t{0} - 200) == nullptr);
  free_workers(instance);
}
