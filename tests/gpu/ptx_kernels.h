// The kernels of graphs compiled for a CUDA device, and what ptxas says of them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "codegen/kernel/compiler.h"
#include "codegen/target.h"
#include "ir/graph.h"

namespace ag {

// Kernels by symbol: networks share many.
class PtxKernels {
 public:
  explicit PtxKernels(const std::string& target) : target_(find_target(target)) {}

  // Plans the graph and takes its kernels; `name` is told where one fails.
  void add(const std::string& name, const Graph& graph);
  // Leaves one kernel of each kind, the largest: template, its parameters, and ops of the body. Two
  // of a kind have the same instructions and differ by the numbers in them.
  void keep_kinds();

  size_t size() const { return kernels_.size(); }
  // The templates and how many kernels have each: "gemm 12, pointwise 30".
  std::string templates() const;

  // Compiles them, and checks what can be seen without assembling.
  void compile();
  // Assembles for "sm_80" on all processors, and checks: no spills, no stack, threads × registers,
  // shared memory.
  void assemble(const std::string& device) const;
  // What ptxas is given, without the head that names the level.
  const std::map<std::string, std::string>& bodies() const { return bodies_; }

 private:
  struct Kernel {
    std::string of;  // a network or row that has it
    KernelRequest request;
    std::vector<KernelLaunch> launches;
  };
  struct Entry {
    const Kernel* kernel;
    const KernelLaunch* launch;
  };
  void check_launches(const KernelResult& result, const KernelRequest& request) const;
  void check(const struct PtxReport& report, const std::map<std::string, Entry>& entries) const;

  const Target& target_;
  std::set<std::string> seen_;
  std::vector<Kernel> kernels_;
  std::string head_;
  std::map<std::string, std::string> bodies_;  // PTX by symbol
};

}  // namespace ag
