// The kernels of graphs compiled for a CUDA device, and what ptxas says of them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "codegen/compile.h"
#include "codegen/target.h"
#include "ir/graph.h"

namespace ag {

// What a device cannot hold, or holds slowly, of a launch: spills, a stack, too many registers or
// too much shared memory; empty where all is well.
std::string over_limits(const struct PtxReport& report, const KernelLaunch& launch);

// Kernels by symbol: networks share many.
class PtxKernels {
 public:
  explicit PtxKernels(const std::string& target);

  // Plans the graph and takes its kernels; `name` is told where one fails. compile() makes them.
  void add(const std::string& name, const Graph& graph);
  void compile();
  // Takes the kernels of a compiled program, and the copies that its planner wrote.
  void add(const std::string& name, const CompiledProgram& program);

  // The templates and how many kernels have each: "gemm 12, pointwise 30".
  std::string templates() const;
  // The PTX of each, in the order of add(), without the head that names the level.
  std::vector<std::string> texts() const;

  // Assembles for "sm_80" what is new since the last call for that device, on all processors, and
  // checks that nothing is over_limits. Kernels that differ by their names alone are assembled
  // once.
  void assemble(const std::string& device);
  // What assemble(device) has seen so far, in a line.
  std::string summary(const std::string& device) const;

 private:
  struct Kernel {
    std::string of;         // a network or row that has it
    KernelRequest request;  // of a copy: the symbol alone
    plan::DeviceKernel device;
  };
  struct Entry {
    const Kernel* kernel;
    const KernelLaunch* launch;
  };
  struct Assembled {
    size_t taken = 0;  // of kernels_
    std::set<std::string> distinct;
    size_t launches = 0;  // of the distinct ones
    int registers = 0;    // of a thread, at most
  };
  std::vector<std::string> modules_of(Assembled& done, std::map<std::string, Entry>& entries);

  const Target& target_;
  const std::optional<std::string> ptxas_;
  std::set<std::string> seen_;
  std::vector<std::pair<std::string, KernelRequest>> planned_;
  std::vector<Kernel> kernels_;
  std::map<std::string, Assembled> assembled_;  // by device
};

}  // namespace ag
