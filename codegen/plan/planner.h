// The planner: kernels in order become steps over buffers with addresses.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "codegen/kernel/request.h"
#include "codegen/plan/program.h"
#include "codegen/target.h"
#include "ir/graph.h"

namespace ag::plan {

// One entry point: a graph of kernels with layouts (passes/fuse, passes/layout).
struct EntryGraph {
  std::string name;  // "forward_b1"
  const Graph* graph = nullptr;
};

struct EntryMemory {
  std::string entry;
  int64_t arena_bytes = 0;
  int64_t lower_bound = 0;  // no plan for this order of kernels can be smaller
};

struct ProgramPlan {
  Program program;                      // without kernel objects, weights and scratch sizes
  std::vector<KernelRequest> requests;  // distinct; a step's kernel is a request's symbol
  std::vector<EntryMemory> memory;
};

// Leaves that some entry updates live in each instance (storage state); other parameters and states
// are shared and read-only, and what depends on them alone is computed once, by prepare steps.
// Leaves of one name are one tensor in all entries and must have one type.
//
// A value read by a padded convolution gets a halo, which is zeroed when the value is written. A
// value that replaces a parameter or state is written in place when nobody needs the old one any
// more, else copied at the end. Throws CompileError for a tensor over 2 GiB, naming the layer.
//
// Of a program for a CUDA device, what kernels touch is the device's memory (device_memory.h), and
// padded convolutions test positions: there are no halos.
ProgramPlan plan_program(std::string name, const Target& target,
                         std::span<const EntryGraph> entries);

}  // namespace ag::plan
