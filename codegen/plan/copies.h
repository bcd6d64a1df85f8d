// Steps that compute nothing: what a plan still copies.
#pragma once

#include "codegen/plan/planner.h"

namespace ag::plan {

struct Copy {
  const Step* step = nullptr;
  // Reads the caller's input or writes the caller's output, whose layout is the caller's; else it
  // lies between two kernels.
  bool at_edge = false;
};

// Copies and changes of layout among the steps of an entry of the plan, in order.
std::vector<Copy> copies_of(const ProgramPlan& plan, const Entry& entry);

}  // namespace ag::plan
