// DWARF for the driver module: which line of the user's program each call comes from. Internal to
// codegen/link.
#pragma once

#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/Module.h>

#include <map>
#include <string>
#include <utility>

#include "ir/location.h"

namespace ag {

class DebugLines {
 public:
  // `name` is the compile unit's, for places without a file.
  DebugLines(llvm::Module& module, const std::string& name);

  // Begins a function; locations below belong to it.
  void enter(llvm::Function& function, const Location& first);
  // Of a call: the layer's file and line, inlined into the current function.
  llvm::DebugLoc at(const Location& location);
  // Of code between calls.
  llvm::DebugLoc between() const;
  void finish() { builder_.finalize(); }

 private:
  llvm::DIFile* file(const std::string& name);
  llvm::DISubprogram* subprogram(const std::string& name, llvm::DIFile* file, int line);

  llvm::Module& module_;
  llvm::DIBuilder builder_;
  std::string unit_name_;
  llvm::DISubroutineType* type_;
  llvm::DISubprogram* function_ = nullptr;
  std::map<std::pair<std::string, std::string>, llvm::DISubprogram*> layers_;  // by file and scope
};

}  // namespace ag
