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
  struct FreeStorage {
    void operator()(uint8_t* storage) const;
  };
  using Storage = std::unique_ptr<uint8_t, FreeStorage>;

  // The program's bytes, aligned as embedded ones are; the code refers to them.
  std::vector<Storage> blobs_;
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  const argent_library* library_ = nullptr;
};

}  // namespace ag
