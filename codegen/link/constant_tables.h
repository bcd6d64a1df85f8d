// Builds constant tables in an LLVM module the way a C compiler would lay them out. Internal to
// codegen/link.
#pragma once

#include <llvm/IR/Constants.h>
#include <llvm/IR/Module.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ag {

using Constants = std::vector<llvm::Constant*>;

class ConstantTables {
 public:
  explicit ConstantTables(llvm::Module& module) : module_(module) {}

  llvm::Constant* u32(uint64_t value) const;
  llvm::Constant* i64(int64_t value) const;
  llvm::Constant* null() const;
  // Pointer to the text and a NUL; equal texts are stored once.
  llvm::Constant* text(std::string_view value);
  // A struct with C's alignment.
  llvm::Constant* record(const Constants& fields) const;
  // Pointer to an array of equal records; null when there are none.
  llvm::Constant* array(const std::string& name, const Constants& elements);
  // Pointer to element `index` of what array() returned.
  llvm::Constant* element(llvm::Constant* array, size_t index) const;
  // Pointer to bytes aligned to `alignment`; null when there are none.
  llvm::Constant* bytes(const std::string& name, std::string_view value, uint64_t alignment);
  // Pointer to a symbol another object defines.
  llvm::Constant* external(const std::string& name, bool is_function);
  llvm::GlobalVariable* global(const std::string& name, llvm::Constant* value);

 private:
  llvm::Module& module_;
  std::map<std::string, llvm::Constant*, std::less<>> texts_;
};

}  // namespace ag
