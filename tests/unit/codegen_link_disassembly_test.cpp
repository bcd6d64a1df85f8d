#include <doctest/doctest.h>

#include <algorithm>

#include "codegen/link/disassembly.h"
#include "tests/unit/instruction_level.h"
#include "tests/unit/link_program.h"

using namespace ag;
using namespace ag::test;

namespace {

bool mentions(const std::vector<std::string>& lines, const std::string& text) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

std::string object_at(const char* path) {
  const std::vector<std::byte> bytes = read_file(path);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

TEST_CASE("functions are disassembled under their names") {
  const std::vector<Instruction> code =
      disassemble(object_at(LINK_KERNELS_X86_64), find_target("x86-64-v2"));
  CHECK(code.size() > 50);
  CHECK(std::any_of(code.begin(), code.end(),
                    [](const Instruction& i) { return i.symbol == "test_add"; }));
  CHECK(std::any_of(code.begin(), code.end(),
                    [](const Instruction& i) { return i.text.find("addss") == 0; }));
}

TEST_CASE("instructions above a level are found, and those within it are not") {
  const std::string plain = object_at(LINK_KERNELS_X86_64);
  const std::string wide = object_at(LINK_KERNELS_V4);
  const std::string avx2 = object_at(LINK_KERNELS_V3);
  CHECK(instructions_above(plain, find_target("x86-64-v2")).empty());
  CHECK(instructions_above(avx2, find_target("x86-64-v3")).empty());
  CHECK(instructions_above(avx2, find_target("x86-64-v4")).empty());
  CHECK(instructions_above(wide, find_target("x86-64-v4")).empty());
  CHECK(instructions_above(wide, find_target("x86-64-v4+vnni+bf16")).empty());
  CHECK(mentions(instructions_above(avx2, find_target("x86-64-v2")), "not supported"));
  CHECK(mentions(instructions_above(wide, find_target("x86-64-v3")), "%zmm"));
}

TEST_CASE("NEON code stays within aarch64") {
  if (LINK_KERNELS_AARCH64[0] == 0) {
    MESSAGE("skipped: needs aarch64-linux-gnu-g++");
    return;
  }
  const std::string neon = object_at(LINK_KERNELS_AARCH64);
  CHECK(disassemble(neon, find_target("aarch64")).size() > 50);
  CHECK(instructions_above(neon, find_target("aarch64")).empty());
}

TEST_CASE("the runtime that libraries carry stays within every target's level") {
  for (const Target& target : known_targets()) {
    if (target.is_cuda()) continue;
    CAPTURE(target.name);
    const plan::Program program = tiny_program("tiny", std::string(target.name), 1);
    if (target.architecture == Architecture::aarch64 && LINK_KERNELS_AARCH64[0] == 0) continue;
    std::vector<std::string> above =
        instructions_above(emit(program, EmitKind::object, "tiny.o"), target);
    // cpu_features() asks cpuid before it executes this one.
    std::erase_if(above, [](const std::string& line) { return line.rfind("xgetbv:", 0) == 0; });
    CHECK(above == std::vector<std::string>{});
  }
}
