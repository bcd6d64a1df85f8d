// NVIDIA's assembler, as the test of what a device would be given.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ag {

// What ptxas says of one kernel of a module.
struct PtxReport {
  std::string entry;
  int registers = 0;      // of a thread
  int shared_bytes = 0;   // of a block, not counting what a launch adds
  int spilled_bytes = 0;  // stored or loaded
  int stack_bytes = 0;
};

// The project's ptxas: $ARGENT_PTXAS, else that of .venv; nullopt where there is none.
std::optional<std::string> find_pinned_ptxas();

// Assembles a module for a device, "sm_90". Throws CompileError with ptxas's words when it refuses.
std::vector<PtxReport> ptx_reports(const std::string& ptxas, const std::string& ptx,
                                   const std::string& device);

}  // namespace ag
