// A program's machine code linked into this process by LLVM's JITLink. Internal to codegen/link.
#pragma once

#include <memory>
#include <vector>

#include "codegen/plan/program.h"
#include "runtime/argent_abi.h"

namespace llvm::orc {
class LLJIT;
}

namespace ag {

class MemoryCode {
 public:
  // Throws CompileError when the program's target is not this machine's.
  explicit MemoryCode(const plan::Program& program);
  ~MemoryCode();

  const argent_library* library() const { return library_; }

 private:
  std::vector<plan::Blob> blobs_;  // the code refers to their bytes
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  const argent_library* library_ = nullptr;
};

}  // namespace ag
