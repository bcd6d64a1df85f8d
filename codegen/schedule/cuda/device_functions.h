// A custom lowering pass for functions that kernels call.
#pragma once

#include <Halide.h>

namespace ag::schedule {

// Functions of the C library that Halide has no PTX for become those of NVIDIA's device library,
// which is part of Halide and of the code it makes:
//
//   out[x] = erf(in[x])
//
// becomes
//
//   out[x] = __nv_erf(in[x])
class DeviceFunctions : public Halide::Internal::IRMutator {
 private:
  using Halide::Internal::IRMutator::visit;
  Halide::Expr visit(const Halide::Internal::Call* call) override;
};

}  // namespace ag::schedule
