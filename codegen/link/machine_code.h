// LLVM 19 as a code generator: IR modules to object bytes. Internal to codegen/link.
#pragma once

#include <memory>
#include <string>

#include "codegen/target.h"

namespace llvm {
class Module;
class TargetMachine;
}  // namespace llvm

namespace ag {

std::unique_ptr<llvm::TargetMachine> make_target_machine(const Target& target);

// A relocatable ELF object. The module must have been made for the machine's triple and layout.
std::string object_bytes(llvm::Module& module, llvm::TargetMachine& machine);

}  // namespace ag
