// The schedules for CUDA, without a device: each template's kernels, made from the table of op
// cases, run on Halide's OpenCL target (PoCL) and equal the interpreter, and their loops keep the
// rules for GPUs. The PTX of the same kernels is the matter of cuda_ptx_test.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "codegen/compile.h"
#include "codegen/plan/buffer_form.h"
#include "codegen/plan/kernel_request.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/gpu/device_cases.h"
#include "tests/gpu/opencl_kernel.h"
#include "tests/op_cases.h"

using namespace ag;

namespace {

struct Case {
  std::string row;
  std::string kernel_class;
  KernelRequest request;
  std::vector<ReferenceTensor> operands, results;
};

BufferForm dense(const TensorType& type) { return plan::form_of(type, {}); }

// A value as a kernel over vectors reads it.
ReferenceTensor as_form(ReferenceTensor value, const BufferForm& form) {
  value.shape = form.type.shape;
  return value;
}

bool has_bfloats(const KernelRequest& request) {
  return request.text.find("bf16[") != std::string::npos;
}

// Operands as they are stored, and what the kernel makes of these.
void round_operands(Case& test) {
  const Graph body = parse(test.request.text, "body.ag");
  const std::vector<Value> leaves = body_leaves(body);
  Bindings bindings;
  for (size_t o = 0; o < leaves.size(); ++o) {
    test.operands[o] = ReferenceTensor::from(test.operands[o].to_array());
    bindings[body.leaf_name(leaves[o])] = test.operands[o];
  }
  test.results = interpret(body, bindings);
}

Case case_of(const std::string& row, const Graph& graph, int i,
             const std::vector<std::vector<ReferenceTensor>>& values, const Target& target) {
  const Node& node = graph.node(i);
  std::vector<BufferForm> operands, results;
  for (Value operand : node.operands) operands.push_back(dense(graph.type(operand)));
  for (const TensorType& type : node.types) results.push_back(dense(type));
  Case test{row,
            node.attributes.string("class"),
            plan::kernel_request(node, operands, results, {}, target),
            {},
            {}};
  for (size_t o = 0; o < operands.size(); ++o) {
    const Value operand = node.operands[o];
    test.operands.push_back(
        as_form(values[operand.node][operand.result], test.request.operands[o]));
  }
  for (size_t r = 0; r < results.size(); ++r)
    test.results.push_back(as_form(values[i][r], test.request.results[r]));
  if (has_bfloats(test.request)) round_operands(test);
  return test;
}

// What a test of one kernel covers: template, class, and ops of the body.
std::string kind_of(const Case& test) {
  std::set<std::string> ops;
  const Graph body = parse(test.request.text, "body.ag");
  for (int i = 0; i < body.size(); ++i) ops.insert(std::string(body.node(i).op->name));
  const std::string name = test.request.schedule.substr(0, test.request.schedule.find('{'));
  std::string kind = name + " " + test.kernel_class;
  if (has_bfloats(test.request)) kind += " bf16";
  // Contractions and reductions differ by more than their ops: their schedules' parameters.
  if (name != "pointwise") kind += " " + test.request.schedule;
  for (const std::string& op : ops) kind += " " + op;
  return kind;
}

bool is_wanted(const OpCase& row) {
  const char* part = std::getenv("ARGENT_OP_CASES");
  return !part || row.name().find(part) != std::string::npos;
}

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
               std::map<std::string, Case>& cases) {
  const BuiltCase built = build_gradient_case(row, dtype);
  const Graph graph = lower_to_kernels(built.graph, target);
  Bindings rounded;
  for (const auto& [name, value] : built.bindings)
    rounded[name] = ReferenceTensor::from(value.to_array());
  const std::vector<std::vector<ReferenceTensor>> values = interpret_all(graph, rounded);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!node.is(ops::kernel) || node.types[0].count() == 0) continue;
    Case test = case_of(row.name(), graph, i, values, target);
    if (is_representable(test.request)) cases.emplace(kind_of(test), std::move(test));
  }
}

void compare(const Array& got, const ReferenceTensor& want) {
  REQUIRE(got.count() == want.count());
  if (!is_float(got.dtype())) {
    int64_t different = 0;
    for (int64_t i = 0; i < want.count(); ++i) different += got.get_int(i) != want.integers[i];
    CHECK(different == 0);
    return;
  }
  double largest = 1, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    largest = std::max(largest, std::fabs(want.number(i)));
    const double error = std::fabs(got.get_double(i) - want.number(i));
    worst = std::isnan(error) ? error : std::max(worst, error);
  }
  const double allowed = got.dtype() == DType::bf16 ? 0x1p-8 : 1e-5;
  CHECK(worst <= allowed * largest);
}

void check_run(const Case& test, const KernelRequest& request) {
  CAPTURE(test.row);
  CAPTURE(request.schedule);
  CAPTURE(request.text);
  std::vector<Array> operands;
  for (const ReferenceTensor& value : test.operands) operands.push_back(value.to_array());
  try {
    const OpenClRun run = run_on_opencl(request, operands);
    CHECK(fmt::format("{}", fmt::join(run.broken_rules, "; ")) == "");
    for (size_t i = 0; i < test.results.size(); ++i) compare(run.results[i], test.results[i]);
  } catch (const std::exception& error) {
    FAIL_CHECK(std::string(error.what()));
  }
}

std::map<std::string, Case> all_cases() {
  std::map<std::string, Case> cases;
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

// The n-th part of the cases, so that the test stays short; ARGENT_CUDA_CASES=all runs every one.
bool is_sampled(size_t index, size_t stride) {
  const char* all = std::getenv("ARGENT_CUDA_CASES");
  return (all && std::string(all) == "all") || index % stride == 0;
}

}  // namespace

TEST_CASE("kernels scheduled for CUDA equal the interpreter under OpenCL") {
  if (!has_opencl()) {
    MESSAGE("skipped: needs OpenCL (pocl-opencl-icd, ocl-icd-opencl-dev)");
    return;
  }
  std::map<std::string, size_t> of_template, run_of_template;
  for (const auto& [kind, test] : all_cases()) {
    const std::string name = kind.substr(0, kind.find(' '));
    const size_t index = of_template[name]++;
    if (!is_sampled(index, name == "pointwise" ? 4 : 2)) continue;
    ++run_of_template[name];
    check_run(test, test.request);
  }
  for (const auto& [name, count] : of_template)
    fmt::print("template {}: {} of {} kinds of kernels run\n", name, run_of_template[name], count);
}

TEST_CASE("large kernels, which fill blocks and share sums, equal the interpreter under OpenCL") {
  if (!has_opencl()) {
    MESSAGE("skipped: needs OpenCL (pocl-opencl-icd, ocl-icd-opencl-dev)");
    return;
  }
  std::set<std::string> seen;
  for (const DeviceCase& wanted : device_cases()) {
    if (!is_wanted(wanted.row)) continue;
    std::map<std::string, Case> cases;
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
      Case test = case_of("momentum", graph, i, values, target);
      REQUIRE(test.results.size() == 2);
      test.request.in_place = {0, 1};
      check_run(test, test.request);
      ++kernels;
    }
    CHECK(kernels == 1);
  }
}
