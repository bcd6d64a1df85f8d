// How much work a parallel task has.
//
// A library does not know how many threads it will get, so a split is judged by the time that 2, 4
// and 8 threads would take. Work is counted in floating-point operations; 100,000 are a microsecond
// of a core, as are the 20 KB that it reads from memory.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ag {

// Kernels of less work stay on one thread.
inline constexpr double kSharedWork = 4e5;
// Entries of less work stay on the thread of their caller: workers wake up some 50 us after the
// call has begun, and small kernels gain little from them.
inline constexpr double kSharedEntryWork = 1.2e8;
// Of a task, where the work can be split so.
inline constexpr double kLeastTaskWork = 1e5, kMostTaskWork = 2e6;
// Claiming a task.
inline constexpr double kClaimWork = 3e3;
inline constexpr double kWorkOfByte = 5;  // of one that comes from memory

// Numbers of threads, of which few are the likelier.
struct Threads {
  int64_t count;
  double weight;
};
inline constexpr int64_t kMostThreads = 8;
inline constexpr Threads kThreads[] = {{2, 0.5}, {4, 0.3}, {kMostThreads, 0.2}};

// Time that `tasks` tasks of `largest` units take, as a part of the least possible time; the mean
// over numbers of threads.
inline double task_imbalance(int64_t tasks, double largest, double units) {
  double mean = 0;
  for (const Threads& threads : kThreads) {
    const int64_t turns = (tasks + threads.count - 1) / threads.count;
    const double time = static_cast<double>(turns * threads.count) * largest / units;
    mean += threads.weight * std::max(1.0, time);
  }
  return mean;
}

// The same for `bands` bands of `band` units each, cut into tasks of `per` units, the last of a
// band being the rest: threads take them in order.
inline double uneven_tasks(int64_t bands, int64_t band, int64_t per) {
  double mean = 0;
  for (const Threads& threads : kThreads) {
    int64_t busy[kMostThreads] = {};
    for (int64_t unit = 0; unit < bands * band; unit += std::min(per, band - unit % band)) {
      *std::min_element(busy, busy + threads.count) += std::min(per, band - unit % band);
    }
    const int64_t last = *std::max_element(busy, busy + threads.count);
    mean += threads.weight * static_cast<double>(last * threads.count) /
            static_cast<double>(bands * band);
  }
  return mean;
}

// A kernel is `outer` times `units` units of equal work, each of which is a task or lies in one
// with its neighbours: how many units a task takes. With `even`, every task as many.
inline int64_t units_per_task(int64_t outer, int64_t units, double work, bool even = false) {
  const double all = static_cast<double>(outer) * static_cast<double>(units);
  int64_t best = units;
  double least = 1e30;
  for (int64_t per = units; per >= 1; --per) {
    if (even && units % per != 0) continue;
    const double task = work / all * static_cast<double>(per);
    if (task > kMostTaskWork && per > 1) continue;
    if (task < kLeastTaskWork && least < 1e30) break;
    const int64_t tasks = outer * ((units + per - 1) / per);
    const double time = task_imbalance(tasks, static_cast<double>(per), all) +
                        static_cast<double>(tasks) * kClaimWork / work;
    if (time >= least) continue;
    least = time;
    best = per;
  }
  return best;
}

}  // namespace ag
