// A CUDA schedule on Halide's OpenCL target: the same template, run on whatever OpenCL finds (PoCL:
// this machine's processor). CUDA's own code is not involved.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "codegen/kernel/request.h"
#include "ir/array.h"

namespace ag {

// Whether a device is there that Halide's OpenCL runtime can use.
bool has_opencl();

struct OpenClRun {
  std::vector<Array> results;
  // What the loops break of the rules of codegen/schedule/cuda/rules.h: "block of 8 threads in …".
  std::vector<std::string> broken_rules;
  // Whether threads of a block hand each other values: there are barriers.
  bool has_barriers = false;
};

// Lowers and schedules a request for a CUDA target, and runs it. Result i is stored over operand
// in_place[i] where the request says so. Buffers are dense and stored by rows. Throws CompileError
// where Halide refuses.
OpenClRun run_on_opencl(const KernelRequest& request, std::span<const Array> operands);

}  // namespace ag
