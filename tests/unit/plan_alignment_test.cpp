// What the planner tells kernels for CUDA of where their operands lie.
#include <doctest/doctest.h>

#include "codegen/compile.h"
#include "ir/parse.h"

using namespace ag;

namespace {

// Whether each operand of the one convolution is aligned; images first.
std::vector<bool> aligned_operands(const std::string& text, const char* target) {
  const Graph kernels = lower_to_kernels(parse(text, "g.ag"), find_target(target));
  const plan::EntryGraph entry{"main", &kernels};
  for (const KernelRequest& request :
       plan::plan_program("g", find_target(target), {&entry, 1}).requests) {
    if (request.text.find("conv(") == std::string::npos) continue;
    std::vector<bool> aligned;
    for (const BufferForm& form : request.operands) aligned.push_back(form.aligned);
    return aligned;
  }
  FAIL("no kernel is a convolution");
  return {};
}

// A convolution of all but the first `first` channels of 81 elements.
std::string conv_of_slice(int first) {
  const std::string channels = std::to_string(32 + first);
  const std::string x = "f32[1," + channels + ",9,9]";
  return "graph @g(%x: " + x + ", %w: f32[32,32,1,1]) {\n  %1: " + x +
         " = relu(%x)\n  %2: f32[1,32,9,9] = slice(%1, start=[0," + std::to_string(first) +
         ",0,0], limit=[1," + channels + ",9,9])\n" +
         "  %3: f32[1,32,9,9] = conv(%2, %w)\n  return y=%3, z=%1\n}\n";
}

}  // namespace

TEST_CASE("operands are aligned unless they are slices that start in between") {
  CHECK(aligned_operands(conv_of_slice(4), "cuda-sm_80") == std::vector<bool>{true, true});
  CHECK(aligned_operands(conv_of_slice(1), "cuda-sm_80") == std::vector<bool>{false, true});
}

TEST_CASE("kernels of processors do not ask") {
  CHECK(aligned_operands(conv_of_slice(4), "x86-64-v3") == std::vector<bool>{false, false});
}
