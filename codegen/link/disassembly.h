// Machine code back to text: for people, and for tests that hold kernels to their target's level.
#pragma once

#include <string>
#include <vector>

#include "codegen/target.h"

namespace ag {

struct Instruction {
  std::string symbol;  // the function it is in
  std::string text;    // AT&T syntax on x86-64: "vfmadd231ps %zmm1, %zmm2, %zmm3"
};

// The instructions of an ELF object's functions, in order.
std::vector<Instruction> disassemble(const std::string& object, const Target& target);

}  // namespace ag
