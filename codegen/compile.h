// Graphs to programs: passes, plan, kernels. The whole compiler behind one call.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "codegen/kernel/compiler.h"
#include "codegen/plan/planner.h"
#include "codegen/target.h"
#include "passes/pass.h"

namespace ag {

// One entry point of a program and the graph it runs.
struct ProgramEntry {
  std::string name;  // "forward_b1"
  Graph graph;
};

// What happens to a graph on its way to kernels.
struct LoweringOptions {
  bool winograd = false;  // 3x3 convolutions by Winograd's algorithm where it is faster, with
                          // errors up to 1e-4 of a result's range
  std::vector<std::string> without;  // of optional_passes()
};

struct CompileSettings {
  std::string target = "host";
  KernelCompiler* compiler = nullptr;  // null: the worker processes of this process
  bool use_cache = true;               // the kernel cache on disk
  bool explain = false;                // keep each kernel's loop nest
  LoweringOptions lowering;
};

// What the compiler knows about a kernel it made.
struct KernelReport {
  KernelRequest request;
  int64_t scratch_bytes = 0;
  int64_t object_bytes = 0;
  double lowering_ms = 0, llvm_ms = 0;
  std::string loop_nest;  // when explained
};

struct CompiledProgram {
  plan::Program program;
  std::vector<plan::EntryMemory> memory;
  std::vector<KernelReport> kernels;
  CompileStatistics statistics;
};

// all_passes(), then those that ask a target's schedules or serve the plan: `layout`,
// `share_storage` …
std::span<const Pass> compiler_passes();

// The graph as kernels with layouts for a target: composites written out, duplicates and dead code
// removed, algorithms chosen, fused, layouts assigned.
// Throws CompileError where `without` names a pass that is not optional.
Graph lower_to_kernels(const Graph& graph, const Target& target,
                       const LoweringOptions& options = {});

// Passes whose results are right, if slower, without them. Where "fuse" is left out every op is a
// kernel of its own; without "layout" every value is stored row-major.
std::span<const std::string_view> optional_passes();

// Compiles the entries into one program. `weights` are the values of all parameters and states by
// name; throws CompileError when one is missing or has another type, and for entries of one name.
CompiledProgram compile_graphs(std::string name, std::span<const ProgramEntry> entries,
                               const std::map<std::string, Array>& weights,
                               const CompileSettings& settings = {});

// The same for graphs of kernels with layouts, as lower_to_kernels makes them.
CompiledProgram compile_kernel_graphs(std::string name, std::span<const ProgramEntry> entries,
                                      const std::map<std::string, Array>& weights,
                                      const CompileSettings& settings = {});

}  // namespace ag
