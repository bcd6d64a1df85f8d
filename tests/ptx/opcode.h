// The instructions the machine knows: one record each, in a table per family.
#pragma once

#include <span>

#include "tests/ptx/program.h"

namespace ag::ptx {

// Which part of a multiprocessor an instruction is for.
enum class Unit : uint8_t {
  arithmetic,  // each lane for itself: `decode` gives the function
  load,
  store,
  atomic,
  copy,  // from global to shared memory, while the thread goes on
  branch,
  exit,
  barrier,  // of the block or of the warp
  fence,
  shuffle,
  vote,
  activemask,
  reduce,
  trap,
};

struct Opcode {
  std::string_view name;
  Unit unit;
  std::string_view modifiers;  // those allowed, apart from types
  size_t sources = 0;          // how many operands follow the destination; memory's is not counted
  // The function for the instruction's types; null when it does not exist for them.
  Evaluate (*decode)(const Instruction&) = nullptr;
};

std::span<const Opcode> arithmetic_opcodes();
std::span<const Opcode> approximation_opcodes();
std::span<const Opcode> bit_opcodes();
std::span<const Opcode> compare_opcodes();
std::span<const Opcode> convert_opcodes();
std::span<const Opcode> warp_opcodes();

const Opcode* find_opcode(std::string_view name);  // null: unknown

}  // namespace ag::ptx
