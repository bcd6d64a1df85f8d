#include "codegen/link/debug_lines.h"

#include <llvm/BinaryFormat/Dwarf.h>

namespace ag {

DebugLines::DebugLines(llvm::Module& module, const std::string& name)
    : module_(module), builder_(module), unit_name_(name + ".ag") {
  module.addModuleFlag(llvm::Module::Warning, "Dwarf Version", 4);
  module.addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
  builder_.createCompileUnit(llvm::dwarf::DW_LANG_C_plus_plus, file(""), "argent",
                             /*isOptimized=*/true, "", 0, "", llvm::DICompileUnit::LineTablesOnly);
  type_ = builder_.createSubroutineType(builder_.getOrCreateTypeArray({}));
}

llvm::DIFile* DebugLines::file(const std::string& name) {
  return builder_.createFile(name.empty() ? unit_name_ : name, ".");
}

llvm::DISubprogram* DebugLines::subprogram(const std::string& name, llvm::DIFile* file, int line) {
  return builder_.createFunction(
      file, name, name, file, static_cast<unsigned>(line), type_, static_cast<unsigned>(line),
      llvm::DINode::FlagPrototyped,
      llvm::DISubprogram::SPFlagDefinition | llvm::DISubprogram::SPFlagOptimized);
}

void DebugLines::enter(llvm::Function& function, const Location& first) {
  function_ = subprogram(function.getName().str(), file(first.file), first.line);
  function.setSubprogram(function_);
}

llvm::DebugLoc DebugLines::between() const {
  return llvm::DILocation::get(module_.getContext(), function_->getLine(), 0, function_);
}

llvm::DebugLoc DebugLines::at(const Location& location) {
  if (!location.known()) return between();
  llvm::DISubprogram*& layer = layers_[{location.file, location.scope}];
  if (!layer) {
    layer = subprogram(location.scope.empty() ? location.file : location.scope, file(location.file),
                       location.line);
  }
  return llvm::DILocation::get(module_.getContext(), static_cast<unsigned>(location.line), 0, layer,
                               between().get());
}

}  // namespace ag
