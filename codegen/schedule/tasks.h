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
// Of a task, where the work can be split so.
inline constexpr double kLeastTaskWork = 1e5, kMostTaskWork = 2e6;
// Claiming a task.
inline constexpr double kClaimWork = 3e3;
inline constexpr double kWorkOfByte = 5;  // of one that comes from memory

// Time that `tasks` tasks of `largest` units take, as a part of the least possible time; the mean
// over numbers of threads, of which few are the likelier.
inline double task_imbalance(int64_t tasks, double largest, double units) {
  struct Threads {
    int64_t count;
    double weight;
  };
  double mean = 0;
  for (const Threads threads : {Threads{2, 0.5}, {4, 0.3}, {8, 0.2}}) {
    const int64_t turns = (tasks + threads.count - 1) / threads.count;
    const double time = static_cast<double>(turns * threads.count) * largest / units;
    mean += threads.weight * std::max(1.0, time);
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
