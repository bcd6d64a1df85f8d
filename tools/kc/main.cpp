// argent-kc: compiles kernels for a host process. See codegen/kernel/worker.h.

#include "codegen/kernel/worker.h"
#include "codegen/schedule/apply.h"
#include "codegen/schedule/cuda/gemm.h"
#include "codegen/target.h"

namespace {

// One kernel of each compiler that kernels for the target go through makes Halide and its LLVM, and
// for devices ours, initialise before the first fork, so that children start warm.
ag::KernelRequest relu_request(std::string_view schedule, std::string_view target) {
  ag::KernelRequest request;
  request.symbol = "warm_up";
  request.text = "graph @warm_up(%x: f32[64]) {\n  %1: f32[64] = relu(%x)\n  return y=%1\n}\n";
  request.operands = {{ag::f32(64), {}, {}}};
  request.results = {{ag::f32(64), {}, {}}};
  request.schedule = schedule;
  request.target = target;
  return request;
}

ag::KernelRequest matmul_request() {
  ag::KernelRequest request;
  request.symbol = "warm_up";
  request.text =
      "graph @warm_up(%x: f32[64,64], %w: f32[64,64]) {\n"
      "  %1: f32[64,64] = matmul(%x, %w)\n  return y=%1\n}\n";
  request.operands.assign(2, {ag::f32(64, 64), {}, {}});
  request.results = {{ag::f32(64, 64), {}, {}}};
  request.schedule = ag::GemmTile{}.schedule().text();
  request.target = "cuda-sm_80";
  return request;
}

void warm_up(std::string_view target) {
  if (ag::find_target(target).is_cuda()) {
    ag::schedule::compile_kernel(relu_request("pointwise{threads=64,vector=1}", "cuda-sm_80"));
    ag::schedule::compile_kernel(matmul_request());
  } else {
    ag::schedule::compile_kernel(relu_request("pointwise{parallel=0}", "x86-64-v3"));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return ag::worker_main(argc, argv, warm_up, ag::schedule::compile_kernel);
}
