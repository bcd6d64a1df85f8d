// The parts of the parser: declarations (parser.cpp) and instructions (parse_instruction.cpp).
#pragma once

#include <map>
#include <string>

#include "tests/ptx/program.h"
#include "tests/ptx/scanner.h"

namespace ag::ptx {

// Names of registers, parameters and variables, as operands.
struct Scope {
  const Scope* outer = nullptr;
  std::map<std::string, Operand, std::less<>> names;

  const Operand* find(std::string_view name) const;
};

// A branch's label, until all labels are known.
struct PendingLabel {
  size_t instruction;
  std::string label;
};

uint64_t parse_integer(Scanner& scanner);

// One statement of a kernel's body, from its guard to the semicolon.
Instruction parse_instruction(Scanner& scanner, const Scope& scope,
                              std::vector<std::string>& labels);

}  // namespace ag::ptx
