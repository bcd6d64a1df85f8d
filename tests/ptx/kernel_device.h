// One compiled kernel on the PTX machine, with buffers as its request describes them.
#pragma once

#include "tests/gpu/kernel_case.h"
#include "tests/ptx/ptx_machine.h"

namespace ag {

class KernelDevice {
 public:
  // The operands are the case's. Results start out unwritten; one that overwrites an operand has
  // its memory.
  KernelDevice(const KernelCase& test, const KernelResult& kernel);

  // Runs the launches one after another; what the machine reports, empty where nothing is wrong.
  std::string run(ptx::Order order);
  Array result(size_t i);

 private:
  ptx::Address filled(const void* data, size_t bytes);
  ptx::Address address_of(const LaunchArgument& argument) const;

  const KernelCase& test_;
  const KernelResult& kernel_;
  ptx::Machine machine_;
  std::vector<ptx::Address> parameters_;  // operands, then results
  ptx::Address scratch_ = 0, constants_ = 0;
};

}  // namespace ag
