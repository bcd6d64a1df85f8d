// A PTX module after parsing: kernels as lists of decoded instructions.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ag::ptx {

// A register of one lane, an immediate, an address: 64 raw bits. The instruction knows the type.
using Bits = uint64_t;

// What the text says and this machine does not know: an instruction, a modifier, a directive.
struct PtxError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// clang-format off
enum class Type : uint8_t {
  none, pred,
  b8, b16, b32, b64, u8, u16, u32, u64, s8, s16, s32, s64,
  f16, bf16, f16x2, bf16x2, f32, f64,
};
// clang-format on

Type type_named(std::string_view name);  // Type::none: no type
int bits_of(Type type);
bool is_float(Type type);
bool is_signed(Type type);

enum class Space : uint8_t { generic, global, shared, local, param };

// Everything that may follow an opcode's name, apart from types.
inline constexpr std::string_view kModifiers[] = {
    // rounding, ranges and accuracy
    "rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi", "rna", "ftz", "sat", "approx", "full",
    "NaN", "relu", "satfinite",
    // halves of products, carries, shifts
    "lo", "hi", "wide", "cc", "wrap", "clamp", "shiftamt", "l", "r",
    // comparisons, and what joins them with a predicate
    "eq", "ne", "lt", "le", "gt", "ge", "ls", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num",
    "nan", "and", "or", "xor",
    // memory: spaces, vectors, order, caches
    "global", "shared", "local", "const", "param", "v2", "v4", "weak", "relaxed", "acquire",
    "release", "acq_rel", "sc", "volatile", "gpu", "cta", "sys", "nc", "ca", "cg", "cs", "lu", "cv",
    "wb", "wt", "gl", "to",
    // what atomics, shuffles and votes do
    "add", "exch", "cas", "min", "max", "inc", "dec", "idx", "up", "down", "bfly", "all", "any",
    "uni", "ballot", "sync", "warp", "aligned",
    // copies that run while the thread goes on
    "async", "commit_group", "wait_group", "wait_all"};

consteval size_t operator""_m(const char* name, size_t length) {
  for (size_t i = 0; i < std::size(kModifiers); ++i) {
    if (kModifiers[i] == std::string_view(name, length)) return i;
  }
  throw "no such modifier";
}

// Registers that the hardware fills.
// clang-format off
enum class Special : uint8_t {
  tid_x, tid_y, tid_z, ntid_x, ntid_y, ntid_z,
  ctaid_x, ctaid_y, ctaid_z, nctaid_x, nctaid_y, nctaid_z,
  laneid, warpid, lanemask_eq, lanemask_lt, lanemask_le, lanemask_gt, lanemask_ge,
};
// clang-format on

struct Operand {
  enum class Kind : uint8_t {
    reg,        // register `index`
    immediate,  // `value`
    special,    // Special(index)
    variable,   // `value` bytes into the module's variables; an immediate once it is loaded
    dynamic,    // `value` bytes into the dynamic part of shared memory
  };
  Kind kind = Kind::immediate;
  bool negated = false;  // !%p
  int index = -1;
  Bits value = 0;
};

struct Instruction;
struct Opcode;

// One lane's result. `carry` is the lane's condition code, read and written by add.cc and its like.
using Evaluate = Bits (*)(const Instruction& at, const Bits* sources, bool& carry);

inline constexpr int kSink = -1;  // the destination `_`

struct Instruction {
  const Opcode* opcode = nullptr;
  Evaluate evaluate = nullptr;  // of arithmetic
  std::array<bool, std::size(kModifiers)> modifiers{};
  Type type = Type::none;    // of the result
  Type source = Type::none;  // of the operands: the last type written
  Space space = Space::generic;
  int vector = 1;  // elements of a load or store
  std::vector<int> destinations;
  std::vector<Operand> sources;
  Operand address;     // of loads, stores and atomics
  int64_t offset = 0;  // added to it
  Operand from;        // of copies: the second address
  int64_t from_offset = 0;
  int guard = -1;  // the predicate of @%p
  bool guard_negated = false;
  std::vector<uint32_t> targets;  // of branches
  uint32_t reconverge = 0;        // where lanes that part here meet again
  int line = 0;
  std::string text;

  bool operator[](size_t modifier) const { return modifiers[modifier]; }
};

struct Parameter {
  std::string name;
  uint32_t offset, bytes;
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<Instruction> instructions;
  std::vector<std::string> registers;  // names, by index
  uint32_t parameter_bytes = 0;
  uint32_t local_bytes = 0;   // of each thread
  uint32_t shared_bytes = 0;  // without the dynamic part
};

struct Module {
  std::map<std::string, Kernel, std::less<>> kernels;
  std::vector<uint8_t> variables;  // .global and .const, as one image
  std::string target;              // "sm_80"
  int version = 0;                 // of the PTX language: 70 for 7.0
};

Module parse(std::string_view text);

}  // namespace ag::ptx
