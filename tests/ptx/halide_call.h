// A pipeline that Halide compiled for CUDA, called with its kernels running in a Machine.
//
// The host code of such a pipeline is an ordinary object file. It hands its PTX to the runtime,
// then asks it to launch kernels by name. Here the runtime is a Machine.
#pragma once

#include <string>
#include <vector>

#include "tests/ptx/ptx_machine.h"

// Halide's own, or runtime/halide_abi.h's: they are laid out alike.
struct halide_buffer_t;

namespace ag::ptx {

class HalideCall {
 public:
  // The object must be for this machine, and export `function`, which takes a user context and then
  // buffers.
  HalideCall(const std::string& object, const std::string& function);
  ~HalideCall();
  HalideCall(const HalideCall&) = delete;
  HalideCall& operator=(const HalideCall&) = delete;

  // The buffers' `device` are addresses of the machine. What all kernels did; throws PtxError when
  // the function fails.
  Outcome run(Machine& machine, const std::vector<halide_buffer_t*>& buffers);

 private:
  void* library_ = nullptr;
  void* function_ = nullptr;
};

}  // namespace ag::ptx
