// The part of a program's tables that the outside sees, runtime/argent_abi.h, which is alike for
// all families of targets. Internal to codegen/link.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "codegen/link/constant_tables.h"
#include "codegen/plan/program.h"
#include "codegen/target.h"

namespace ag {

class LibraryTables {
 public:
  LibraryTables(llvm::Module& module, const plan::Program& program, const Target& target);

  ConstantTables& tables() { return tables_; }
  // An argent_library whose functions are those of the target's family.
  llvm::Constant* library();
  llvm::Constant* step_infos(const std::vector<plan::Step>& steps);
  // Parameters and states, in the order of argent_library::tensors.
  std::span<const plan::Tensor* const> stored() const { return stored_; }

 private:
  llvm::Constant* tensor_info(const plan::Tensor& tensor);
  llvm::Constant* info_pointers(const std::vector<int>& tensors);
  llvm::Constant* step_details();
  llvm::Constant* entry_infos();

  const plan::Program& program_;
  const Target& target_;
  ConstantTables tables_;
  llvm::Constant* infos_ = nullptr;
  std::map<int, size_t> info_index_;  // tensor -> element of infos_
  std::vector<const plan::Tensor*> stored_;
};

// Where the caller's argument for a tensor stands: inputs first, then outputs.
size_t slot_of(const plan::Entry& entry, int tensor);

// A table of an image is as large as the runtime's struct.
void check_table_size(const llvm::Module& module, const llvm::Constant* table, size_t expected);

}  // namespace ag
