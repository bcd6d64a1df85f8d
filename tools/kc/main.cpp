// argent-kc: compiles kernels for a host process. See codegen/kernel/worker.h.

#include "codegen/kernel/worker.h"
#include "codegen/schedule/apply.h"

namespace {

// Makes Halide and its LLVM initialise before the first fork, so that children start warm.
void warm_up() {
  ag::KernelRequest request;
  request.symbol = "warm_up";
  request.text = "graph @warm_up(%x: f32[64]) {\n  %1: f32[64] = relu(%x)\n  return y=%1\n}\n";
  request.operands = {{ag::f32(64), {}, {}}};
  request.results = {{ag::f32(64), {}, {}}};
  request.schedule = "pointwise{parallel=0}";
  request.target = "x86-64-v3";
  ag::schedule::compile_kernel(request);
}

}  // namespace

int main(int argc, char** argv) {
  return ag::worker_main(argc, argv, warm_up, ag::schedule::compile_kernel);
}
