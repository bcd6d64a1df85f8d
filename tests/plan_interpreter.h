// Runs a planned program without compiling it: memory as the planner laid it out, kernels by the
// reference interpreter. For types of four bytes. Finds what no kernel would: values overwritten
// while they are needed, halos that do not hold zero, padding lanes that nobody wrote.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "codegen/plan/planner.h"
#include "ir/interpret.h"

namespace ag {

class PlanInterpreter {
 public:
  // One entry; leaves by name. The arena starts as NaN.
  PlanInterpreter(const plan::ProgramPlan& plan, const Bindings& leaves);

  // Runs the prepare steps and the entry. May be called again: the arena keeps what it holds.
  void run();

  // A named output, or the new value of a parameter or state.
  ReferenceTensor value(const std::string& name) const;
  // What went wrong while reading: "conv: halo of operand 0 holds 3". Empty: nothing.
  const std::string& complaint() const { return complaint_; }

 private:
  using Memory = std::map<std::pair<plan::Storage, int>, std::vector<double>>;

  std::vector<double>& memory(const plan::Buffer& buffer);
  void run_steps(const std::vector<plan::Step>& steps);
  void run_kernel(const plan::Step& step, const KernelRequest& request);
  void run_zero(const plan::Step& step);
  void run_copy(const plan::Step& step);
  ReferenceTensor read(const plan::Buffer& buffer, const BufferForm& form, const std::string& what);
  void write(const plan::Buffer& buffer, const BufferForm& form, const ReferenceTensor& value);
  void complain(const std::string& what);

  const plan::ProgramPlan& plan_;
  Memory memory_;
  std::string complaint_;
};

}  // namespace ag
