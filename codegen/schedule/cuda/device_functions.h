// A custom lowering pass for functions that kernels call.
#pragma once

#include <Halide.h>

#include <string_view>
#include <vector>

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

// The device library's functions that the pass puts into kernels.
std::vector<std::string_view> device_functions();

}  // namespace ag::schedule
