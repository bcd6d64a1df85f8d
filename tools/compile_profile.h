// Where the time of `argent compile` goes: its stages, and each kernel it needed.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "codegen/compile.h"

namespace ag {

// Seconds, one stage after another.
struct CompileStages {
  double network = 0;  // reading or tracing it, its weights
  double passes = 0;   // passes and plan
  double kernels = 0;  // in worker processes, several at a time; and the cache
  double link = 0;     // preparing weights, linking, writing
};

// Stages, and rows of kernels: what compiled longest first. A kernel that came from the cache has
// the times of the compilation that filled it.
nlohmann::json compile_profile(std::span<const CompiledProgram> levels,
                               const CompileStages& stages);

void print_compile_profile(const nlohmann::json& profile);

}  // namespace ag
