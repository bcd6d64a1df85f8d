// The thread pool under load; this test also runs under ThreadSanitizer.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

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
