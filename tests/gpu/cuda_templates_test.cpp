// The schedules for CUDA, without a device: each template's kernels, made from the table of op
// cases, run on Halide's OpenCL target (PoCL) and equal the interpreter, and their loops keep the
// rules for GPUs. The PTX of the same kernels is the matter of cuda_ptx_test. Templates of our own
// (codegen/nvptx) are no Halide and have no OpenCL: where they are the choice, the best of Halide's
// schedules is run here, and theirs in ptx_gemm_test. Nor has OpenCL lanes: block reductions are
// run without here, and with them in ptx_templates_test.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>

#include "codegen/compile.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/print.h"
#include "tests/check_close.h"
#include "tests/gpu/device_cases.h"
#include "tests/gpu/kernel_case.h"
#include "tests/gpu/opencl_kernel.h"
#include "tests/op_cases.h"

using namespace ag;

namespace {

// Halves need what PoCL's OpenCL C has not. Bfloats are kept as their bits, which it has.
bool is_representable(const KernelRequest& request) {
  for (const auto* forms : {&request.operands, &request.results})
    for (const BufferForm& form : *forms)
      if (form.type.dtype == DType::f16) return false;
  return request.text.find(" f16[") == std::string::npos;
}

// Ops that are run with bfloats, too: storage is what differs, and each template's is the same.
bool is_run_with_bfloats(const OpCase& row, std::set<std::string>& seen) {
  static const std::set<std::string> kOps{"relu", "add", "reduce_sum", "matmul", "conv", "softmax"};
  return kOps.contains(row.op) && seen.insert(row.op).second;
}

void add_cases(const OpCase& row, DType dtype, const Target& target,
               std::map<std::string, KernelCase>& cases) {
  for (KernelCase& test : kernel_cases(row, dtype, target)) {
    use_opencl_schedule(test);
    if (is_representable(test.request)) cases.emplace(kind_of(test), std::move(test));
  }
}

double allowed(const Array& result) { return result.dtype() == DType::bf16 ? 0x1p-8 : 1e-5; }

// Whether the kernel has barriers.
bool check_run(const KernelCase& test, const KernelRequest& request) {
  CAPTURE(test.row);
  CAPTURE(request.schedule);
  CAPTURE(request.text);
  std::vector<Array> operands;
  for (const ReferenceTensor& value : test.operands) operands.push_back(value.to_array());
  try {
    const OpenClRun run = run_on_opencl(request, operands);
    CHECK(fmt::format("{}", fmt::join(run.broken_rules, "; ")) == "");
    for (size_t i = 0; i < test.results.size(); ++i)
      check_close(run.results[i], test.results[i], allowed(run.results[i]));
    return run.has_barriers;
  } catch (const std::exception& error) {
    FAIL_CHECK(std::string(error.what()));
  }
  return false;
}

std::map<std::string, KernelCase> all_cases() {
  std::map<std::string, KernelCase> cases;
  std::set<std::string> seen;
  const Target& target = find_target("cuda-sm_80");
  int rows = 0;
  for (const OpCase& row : op_cases()) {
    if (!is_wanted(row)) continue;
    add_cases(row, row.dtypes[0], target, cases);
    if (is_run_with_bfloats(row, seen)) add_cases(row, DType::bf16, target, cases);
    ++rows;
  }
  fmt::print("{} op cases and their gradients: {} kinds of kernels\n", rows, cases.size());
  return cases;
}

}  // namespace

TEST_CASE("kernels scheduled for CUDA equal the interpreter under OpenCL") {
  if (!has_opencl()) {
    MESSAGE("skipped: needs OpenCL (pocl-opencl-icd, ocl-icd-opencl-dev)");
    return;
  }
  std::map<std::string, int> kinds, with_barriers;
  for (const auto& [kind, test] : all_cases()) {
    const std::string name = kind.substr(0, kind.find(' '));
    ++kinds[name];
    with_barriers[name] += check_run(test, test.request);
  }
  for (const auto& [name, count] : kinds)
    fmt::print("template {}: {} kinds of kernels run, {} with barriers\n", name, count,
               with_barriers[name]);
}

TEST_CASE("large kernels, which fill blocks and share sums, equal the interpreter under OpenCL") {
  if (!has_opencl()) {
    MESSAGE("skipped: needs OpenCL (pocl-opencl-icd, ocl-icd-opencl-dev)");
    return;
  }
  std::set<std::string> seen;
  for (const DeviceCase& wanted : device_cases()) {
    if (!is_wanted(wanted.row)) continue;
    std::map<std::string, KernelCase> cases;
    add_cases(wanted.row, DType::f32, find_target("cuda-sm_80"), cases);
    bool reached = false;
    std::string schedules;
    for (const auto& [kind, test] : cases) {
      reached = reached || test.request.schedule.find(wanted.reaches) != std::string::npos;
      schedules += "\n" + test.request.schedule;
      if (seen.insert(kind).second) check_run(test, test.request);
    }
    CHECK_MESSAGE(reached, wanted.row.label << " has none of " << wanted.reaches << schedules);
  }
}

// A plan writes a new value over the old one where the old is read at the same place only.
TEST_CASE("results are written over operands") {
  if (!has_opencl()) {
    MESSAGE("skipped: needs OpenCL (pocl-opencl-icd, ocl-icd-opencl-dev)");
    return;
  }
  for (int64_t count : {1001, 120000}) {
    const DeviceCase momentum = {{"device",
                                  "momentum",
                                  {DType::f32},
                                  [count](CaseBuilder& b) {
                                    Tensor weight = b.operand({count}),
                                           velocity = b.operand({count});
                                    Tensor moved = velocity * 0.9 + b.operand({count});
                                    b.result(weight - moved * 0.1);
                                    b.result(moved);
                                  }},
                                 ""};
    const BuiltCase built = build_case(momentum.row, DType::f32);
    const Target& target = find_target("cuda-sm_80");
    const Graph graph = lower_to_kernels(built.graph, target);
    const auto values = interpret_all(graph, built.bindings);
    int kernels = 0;
    for (int i = 0; i < graph.size(); ++i) {
      if (!graph.node(i).is(ops::kernel)) continue;
      KernelCase test = kernel_case("momentum", graph, i, values, target);
      REQUIRE(test.results.size() == 2);
      test.request.in_place = {0, 1};
      check_run(test, test.request);
      ++kernels;
    }
    CHECK(kernels == 1);
  }
}
