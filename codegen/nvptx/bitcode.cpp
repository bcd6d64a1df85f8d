#include "codegen/nvptx/bitcode.h"

#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>

#include <memory>
#include <set>
#include <vector>

#include "ir/internal_error.h"

namespace ag::nvptx {
namespace {

std::unique_ptr<llvm::Module> parse(std::string_view bitcode, llvm::LLVMContext& context) {
  const llvm::MemoryBufferRef bytes({bitcode.data(), bitcode.size()}, "device functions");
  llvm::Expected<std::unique_ptr<llvm::Module>> module = llvm::parseBitcodeFile(bytes, context);
  if (!module) internal_error("no bitcode: {}", llvm::toString(module.takeError()));
  return std::move(*module);
}

using Functions = std::set<llvm::Function*>;

void add_callees(const llvm::Function& function, std::vector<llvm::Function*>& callees) {
  for (const llvm::Instruction& instruction : llvm::instructions(function))
    for (llvm::Value* operand : instruction.operands())
      if (auto* callee = llvm::dyn_cast<llvm::Function>(operand)) callees.push_back(callee);
}

Functions reached_from(std::vector<llvm::Function*> waiting) {
  Functions reached;
  while (!waiting.empty()) {
    llvm::Function* function = waiting.back();
    waiting.pop_back();
    if (reached.insert(function).second) add_callees(*function, waiting);
  }
  return reached;
}

void erase_others(llvm::Module& module, const Functions& kept) {
  std::vector<llvm::Function*> others;
  for (llvm::Function& function : module)
    if (!kept.contains(&function)) others.push_back(&function);
  for (llvm::Function* function : others) function->dropAllReferences();  // they call each other
  for (llvm::Function* function : others) function->eraseFromParent();
}

}  // namespace

std::string with_what_is_called(std::string_view library, std::string_view caller,
                                std::span<const std::string_view> roots) {
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::Module> module = parse(library, context);
  std::vector<llvm::Function*> called;
  const auto add = [&](llvm::StringRef name) {
    if (llvm::Function* function = module->getFunction(name)) called.push_back(function);
  };
  const std::unique_ptr<llvm::Module> calling = parse(caller, context);
  for (const llvm::Function& function : *calling) add(function.getName());
  for (const std::string_view root : roots) add(root);
  erase_others(*module, reached_from(std::move(called)));
  std::string bitcode;
  llvm::raw_string_ostream stream(bitcode);
  llvm::WriteBitcodeToFile(*module, stream);
  return bitcode;
}

}  // namespace ag::nvptx
