// Programs of tests are small, and would run on their caller's thread alone.
#pragma once

#include "codegen/plan/program.h"

namespace ag {

// The program, whose parallel loops run on all threads of an instance however little work it is.
inline plan::Program on_all_threads(plan::Program program) {
  for (plan::Entry& entry : program.entries) entry.one_thread = false;
  return program;
}

}  // namespace ag
