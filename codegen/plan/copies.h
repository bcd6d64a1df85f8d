// What a planned program copies without computing: the price of layouts and of outputs that are not
// written in place.
#pragma once

#include <vector>

#include "codegen/plan/planner.h"

namespace ag::plan {

// A step of an entry that only moves elements.
struct Copy {
  std::string what;  // its ops: "to_layout", "concat"; "copy" when there is none
  Location location;
  std::string from, to;  // the first operand and the result as stored; empty for a routine
  int64_t bytes = 0;     // read and written
  // Reads the caller's input or writes the caller's output, whose layout is the caller's; else it
  // lies between two kernels.
  bool at_edge = false;
};

// In the order of the steps. Prepare steps, which run once, and zeros around values are left out.
std::vector<Copy> copies_of(const ProgramPlan& plan, const Entry& entry);

}  // namespace ag::plan
