// The kernels of op cases for a device, each with operands and the results the interpreter gives.
#pragma once

#include "codegen/kernel/request.h"
#include "codegen/target.h"
#include "tests/op_cases.h"

namespace ag {

struct KernelCase {
  std::string row, kernel_class;
  KernelRequest request;
  std::vector<ReferenceTensor> operands, results;
};

// Node `i` of a graph of kernels; `values` are those of all its nodes (interpret_all). Halves and
// bfloats are rounded as they are stored.
KernelCase kernel_case(const std::string& row, const Graph& graph, int i,
                       const std::vector<std::vector<ReferenceTensor>>& values,
                       const Target& target);
// Those of the row and its gradient that have elements.
std::vector<KernelCase> kernel_cases(const OpCase& row, DType dtype, const Target& target);

// The same kernel with the best of Halide's schedules, without warps' lanes: templates of our own
// (codegen/nvptx) and shuffles exist as PTX alone.
void use_opencl_schedule(KernelCase& test);

// What a test of one kernel covers: template, class, and ops of the body.
std::string kind_of(const KernelCase& test);

}  // namespace ag
