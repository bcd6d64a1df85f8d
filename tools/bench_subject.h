// One entry of a program with arrays of its own to run on.
#pragma once

#include <span>
#include <vector>

#include "codegen/link/loaded_program.h"

namespace ag {

class BenchSubject {
 public:
  // Inputs are floats in [-1, 1), the same each time; integers, which may be indices, are 0.
  BenchSubject(ProgramInstance& instance, int entry);
  BenchSubject(const BenchSubject&) = delete;

  const argent_entry_info& info() const { return instance_.program().library().entries[entry_]; }
  std::span<const argent_step_info> steps() const { return {info().steps, info().step_count}; }
  std::span<const argent_step_detail> details() const;

  // Seconds of one run.
  double run();
  // The fastest time of each step, of `runs` runs.
  std::vector<argent_step_time> profile(int runs);
  // What each thread did in the fastest of `runs` runs.
  std::vector<argent_trace_event> trace(int runs);

 private:
  ProgramInstance& instance_;
  int entry_;
  std::vector<Array> inputs_, outputs_;
  std::vector<const Array*> in_;
  std::vector<Array*> out_;
};

}  // namespace ag
