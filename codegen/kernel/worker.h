// The kernel-compiler process: a warmed, single-threaded parent that forks one child per kernel.
// The child's memory is a copy of the parent's, so its bytes do not depend on earlier kernels, and
// whatever happens to it is one bad kernel.
#pragma once

#include "codegen/kernel/compiler.h"

namespace ag {

struct WorkerLimits {
  double seconds = 120;                     // wall clock of one kernel
  int64_t memory_bytes = int64_t{4} << 30;  // address space one kernel may add
};

// Answers the requests that arrive on `socket`, until the host closes it. The caller has no other
// threads and has warmed up `compile`.
void serve_kernels(int socket, const WorkerLimits& limits, const CompileFunction& compile);

// Where a worker finds its socket, and how the rest reaches it: argv is
// {program, seconds, memory_bytes, target}.
inline constexpr int kWorkerSocket = 3;
// The whole main() of a worker program: reads argv, calls `warm_up` for the target, whose family
// the requests will be for, serves. Returns the exit code.
int worker_main(int argc, char** argv, const std::function<void(std::string_view target)>& warm_up,
                const CompileFunction& compile);

}  // namespace ag
