// Names for machine code in memory, which `perf` cannot read off a file. Internal to codegen/link.
#pragma once

#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>

#include "codegen/plan/program.h"

namespace ag {

// With ARGENT_PERF_MAP=1 in the environment, adds the functions of objects that `layer` links to
// /tmp/perf-PID.map, where perf looks for them: kernels by what they compute and for which layers,
// the others by their symbols.
void add_perf_map(llvm::orc::ObjectLinkingLayer& layer, const plan::Program& program);

}  // namespace ag
