// Weights as an object file of their own: a hundred megabytes that neither LLVM nor the merge of a
// library's code has to copy. Internal to codegen/link.
#pragma once

#include <string>
#include <vector>

#include "codegen/link/image_tables.h"
#include "codegen/link/object_linker.h"
#include "codegen/target.h"

namespace ag {

// A relocatable ELF object that defines each symbol as read-only bytes, hidden from users of what
// it is linked into, at a multiple of plan::kStorageAlignment.
class WeightsObject {
 public:
  WeightsObject(const Target& target, const std::vector<BlobSymbol>& symbols);
  // Refers to this and to the symbols' bytes.
  ObjectFile file() const;

 private:
  std::vector<BlobSymbol> symbols_;
  std::string head_, tail_;  // ELF's header; symbols, names and the table of sections
};

}  // namespace ag
