// What a planned program copies without computing: the price of layouts and of outputs that are not
// written in place.
#pragma once

#include <vector>

#include "codegen/plan/planner.h"

namespace ag::plan {

// A step of an entry that only moves elements.
struct Move {
  std::string what;  // its ops: "to_layout", "concat"; "copy" when there is none
  Location location;
  std::string from, to;  // the first operand and the result as stored; empty for a routine
  int64_t bytes = 0;     // read and written
};

// In the order of the steps. Prepare steps, which run once, and zeros around values are left out.
std::vector<Move> moves_of(const ProgramPlan& plan, const Entry& entry);

}  // namespace ag::plan
