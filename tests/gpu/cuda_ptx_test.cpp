// The PTX of CUDA programs, assembled for real devices' instruction sets without one: kernels of op
// cases, of LeNet-5 and ResNet-20 with batches to train with, pass ptxas for sm_80 and sm_90, spill
// nothing and fit a multiprocessor. Those of the whole zoo are the matter of cuda_zoo_test. Nothing
// is run.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cctype>
#include <string_view>

#include "frontend/zoo/zoo.h"
#include "tests/gpu/device_cases.h"
#include "tests/gpu/ptx_assembler.h"
#include "tests/gpu/ptx_kernels.h"
#include "tests/op_cases.h"
#include "train/training_step.h"

using namespace ag;

namespace {

const std::set<std::string> kInHalves{"relu", "add", "reduce_sum", "matmul", "conv", "softmax"};
void add_op_cases(PtxKernels& kernels) {
  std::set<std::string> seen;  // one row of each op, and its gradient
  for (const OpCase& row : op_cases()) {
    if (!seen.insert(row.op).second) continue;
    kernels.add(row.name(), build_gradient_case(row, row.dtypes[0]).graph);
    for (DType half : {DType::f16, DType::bf16}) {
      if (kInHalves.contains(row.op)) kernels.add(row.name(), build_gradient_case(row, half).graph);
    }
  }
  for (const DeviceCase& wanted : device_cases())
    kernels.add(wanted.row.name(), build_gradient_case(wanted.row, DType::f32).graph);
  fmt::print("one row of each of {} ops of {}\n", seen.size(), op_cases().size());
}

// A kernel that needs `values` registers at once and is given 24, or 255.
std::string planted(int values, bool is_limited, const std::string& memory) {
  std::string text = ".version 7.0\n.target sm_80\n.address_size 64\n";
  text += fmt::format(".visible .entry planted(.param .u64 planted_param_0){}\n{{\n",
                      is_limited ? " .maxnreg 24" : "");
  text += fmt::format("  .reg .f32 %f<{}>;\n  .reg .b64 %rd<2>;\n{}", values, memory);
  text += "  ld.param.u64 %rd0, [planted_param_0];\n";
  for (int i = 0; i < values; ++i)
    text += fmt::format("  ld.volatile.global.f32 %f{}, [%rd0+{}];\n", i, 4 * i);
  for (int i = values - 1; i >= 0; --i)
    text += fmt::format("  st.volatile.global.f32 [%rd0+{}], %f{};\n", 4 * (values - i), i);
  return text + "  ret;\n}\n";
}

std::string complaint(const std::string& ptx, int64_t threads, int64_t shared_bytes = 0) {
  const KernelLaunch launch{"planted", {1, 1, 1}, {threads, 1, 1}, shared_bytes, {}};
  const std::vector<PtxReport> reports = ptx_reports(*find_pinned_ptxas(), ptx, "sm_80");
  return reports.size() == 1 ? over_limits(reports[0], launch) : "no report";
}

// Without white space, and with the upper half of a register written as PTX 7.1 can:
//   { .reg .b16 tmp; mov.b32 {tmp, %rs1}, %r7; }
// becomes
//   mov.b32 {_, %rs1}, %r7;
std::string spelled_alike(std::string text) {
  std::erase_if(text, [](char c) { return std::isspace(static_cast<unsigned char>(c)); });
  constexpr std::pair<std::string_view, std::string_view> kForms[] = {
      {"{.reg.b16tmp;", ""}, {"{.reg.b32tmp;", ""}, {"{tmp,", "{_,"}, {";}", ";"}};
  for (const auto& [from, to] : kForms) {
    for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

TEST_CASE("a kernel that spills, or that a device cannot hold, is told") {
  if (!find_pinned_ptxas()) {
    MESSAGE("skipped: needs ptxas (scripts/requirements.txt, or ARGENT_PTXAS)");
    return;
  }
  CHECK(complaint(planted(16, true, ""), 1024) == "");
  CHECK(complaint(planted(64, false, ""), 256) == "");
  CHECK(complaint(planted(64, true, ""), 256).starts_with("spills "));
  CHECK(complaint(planted(100, false, ""), 1024).ends_with("registers a block"));
  const std::string panel =
      "  .shared .align 4 .b8 panel[49152];\n  mov.u64 %rd1, panel;\n"
      "  st.volatile.shared.f32 [%rd1], 0f00000000;\n";
  CHECK(complaint(planted(4, false, panel), 64) == "");
  CHECK(complaint(planted(4, false, panel), 64, 4) == "49156 bytes of shared memory");
}

// The two levels' kernels are the same instructions under another head: what is compiled for one of
// them stands for both.
TEST_CASE("kernels of op cases assemble, and are the same for all levels") {
  std::vector<std::string> plainest;
  for (const char* device : {"sm_80", "sm_90"}) {
    PtxKernels kernels("cuda-" + std::string(device));
    add_op_cases(kernels);
    kernels.compile();
    kernels.assemble(device);
    fmt::print("{}\n", kernels.summary(device));
    std::vector<std::string> texts = kernels.texts();
    for (std::string& text : texts) text = spelled_alike(std::move(text));
    if (plainest.empty()) plainest = texts;
    REQUIRE(texts.size() == plainest.size());
    for (size_t i = 0; i < texts.size(); ++i) CHECK(texts[i] == plainest[i]);
  }
}

TEST_CASE("kernels of LeNet-5 and ResNet-20, and of training them, assemble") {
  PtxKernels kernels("cuda-sm_80");
  for (const char* name : {"lenet5", "resnet20_cifar"}) {
    kernels.add(name, zoo_model(name, 1).forward());
    kernels.add(std::string(name) + " training", training_step(zoo_model(name, 128), {}).graph);
  }
  kernels.compile();
  for (const char* device : {"sm_80", "sm_90"}) {
    kernels.assemble(device);
    fmt::print("{}\n", kernels.summary(device));
  }
}
