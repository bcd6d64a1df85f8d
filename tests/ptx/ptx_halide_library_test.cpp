// What is left of NVIDIA's device library gives the kernels that all of it gives.
#include <Halide.h>
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "codegen/schedule/cuda/device_functions.h"
#include "codegen/schedule/cuda/device_library.h"

extern "C" int halide_internal_initmod_ptx_compute_20_ll_length;  // of libHalide.so

namespace {

using Halide::Expr;

// All functions that Halide has for devices, and ours.
Expr sum_of_functions(Expr v) {
  Expr sum = Halide::pow(v, 1.3f * v) + Halide::atan2(v, v + 1);
  for (Expr (*function)(Expr) :
       {Halide::sin, Halide::cos, Halide::tan, Halide::asin, Halide::acos, Halide::atan,
        Halide::sinh, Halide::cosh, Halide::tanh, Halide::asinh, Halide::acosh, Halide::atanh,
        Halide::exp, Halide::log, Halide::sqrt, Halide::floor, Halide::ceil, Halide::trunc,
        Halide::round})
    sum += function(v);
  sum += Halide::abs(v) + 1 / v + Halide::fast_inverse_sqrt(Halide::cast<float>(v));
  if (v.type().bits() < 64) return sum;
  for (const std::string_view ours : ag::schedule::device_functions())
    sum += Halide::Internal::Call::make(v.type(), std::string(ours), {v},
                                        Halide::Internal::Call::PureExtern);
  return sum;
}

// The PTX of a kernel, without the kernel's name, which is another each time.
std::string ptx_of(Halide::Type type) {
  Halide::Var x("x"), block("block"), thread("thread");
  Halide::ImageParam in(type, 1, "in");
  Halide::Func f("f");
  f(x) = sum_of_functions(in(x));
  f.gpu_tile(x, block, thread, 32);
  const Halide::Target target("x86-64-linux-cuda-cuda_capability_80-no_runtime-no_asserts");
  const Halide::Buffer<uint8_t> bytes =
      f.compile_to_module({in}, "f", target).get_cuda_ptx_assembly_buffer();
  std::string ptx(reinterpret_cast<const char*>(bytes.data()), bytes.size_in_bytes());
  constexpr std::string_view kEntry = ".entry ";
  const size_t at = ptx.find(kEntry) + kEntry.size();
  const std::string name = ptx.substr(at, ptx.find('(', at) - at);
  for (size_t i = ptx.find(name); i != ptx.npos; i = ptx.find(name, i)) ptx.erase(i, name.size());
  return ptx;
}

std::array<std::string, 2> kernels() {
  return {ptx_of(Halide::Float(32)), ptx_of(Halide::Float(64))};
}

}  // namespace

TEST_CASE("kernels are the same with what is left of the device library") {
  const int whole = halide_internal_initmod_ptx_compute_20_ll_length;
  const std::array<std::string, 2> before = kernels();
  ag::schedule::trim_device_library();
  const std::array<std::string, 2> after = kernels();
  for (size_t i = 0; i < before.size(); ++i) {
    CHECK(before[i].find(".extern .func") == std::string::npos);
    CHECK(after[i] == before[i]);
  }
  const int rest = halide_internal_initmod_ptx_compute_20_ll_length;
  CHECK(rest < whole / 4);
  ag::schedule::trim_device_library();
  CHECK(halide_internal_initmod_ptx_compute_20_ll_length == rest);
}
