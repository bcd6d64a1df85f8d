// Holds machine code to a target's instruction set. GNU as is the judge: told a processor's exact
// extensions, it refuses every instruction that the processor lacks (LLVM's assembler for x86-64
// does not look).
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "codegen/link/disassembly.h"
#include "ir/file.h"

namespace ag::test {

struct AssemblerRow {
  const char* target;
  const char* command;     // of a processor that has exactly the target's level
  const char* everything;  // of one that has all there is
};

inline constexpr const char* kX86Everything = "as --64";
inline constexpr AssemblerRow kAssemblers[] = {
    {"x86-64-v2", "as --64 -march=generic64+sse4.2+popcnt+cx16", kX86Everything},
    {"x86-64-v3", "as --64 -march=generic64+sse4.2+popcnt+cx16+avx2+fma+f16c+bmi+bmi2+lzcnt+movbe",
     kX86Everything},
    {"x86-64-v4",
     "as --64 -march=generic64+sse4.2+popcnt+cx16+avx2+fma+f16c+bmi+bmi2+lzcnt+movbe"
     "+avx512f+avx512cd+avx512bw+avx512dq+avx512vl",
     kX86Everything},
    {"x86-64-v4+vnni+bf16",
     "as --64 -march=generic64+sse4.2+popcnt+cx16+avx2+fma+f16c+bmi+bmi2+lzcnt+movbe"
     "+avx512f+avx512cd+avx512bw+avx512dq+avx512vl+avx512_vnni+avx512_bf16+avx512vbmi"
     "+avx512_vbmi2+avx512ifma+avx512_bitalg+avx512_vpopcntdq",
     kX86Everything},
    {"aarch64", "aarch64-linux-gnu-as -march=armv8-a",
     "aarch64-linux-gnu-as -march=armv8.6-a+sve2"},
};

// Line number (from 1) -> complaint of an assembler about a source file.
inline std::map<size_t, std::string> complaints(const std::string& command,
                                                const std::string& path) {
  std::map<size_t, std::string> result;
  FILE* pipe = popen((command + " -o /dev/null " + path + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  char line[1024];
  while (fgets(line, sizeof line, pipe)) {
    const std::string text = line;
    size_t number = 0;
    const size_t error = text.find(": Error: ");
    if (text.rfind("Error: ", 0) == 0) FAIL(command, ": ", text);  // the assembler did not start
    if (text.rfind(path, 0) == 0 && error != std::string::npos &&
        sscanf(text.c_str() + path.size(), ":%zu:", &number) == 1) {
      result.emplace(number, text.substr(error + 2, text.size() - error - 3));
    }
  }
  pclose(pipe);
  return result;
}

// The distinct instructions of an ELF object that a processor of exactly the target's level lacks,
// with the assembler's words.
inline std::vector<std::string> instructions_above(const std::string& object,
                                                   const Target& target) {
  std::set<std::string> distinct;
  for (const Instruction& instruction : disassemble(object, target)) {
    std::string text = instruction.text;
    std::replace(text.begin(), text.end(), '\t', ' ');
    distinct.insert(text.substr(0, text.find("  #")));
  }
  const std::vector<std::string> texts(distinct.begin(), distinct.end());
  std::string source;
  for (const std::string& text : texts) source += text + "\n";
  const std::string path = "/tmp/argent-level-" + std::to_string(getpid()) + ".s";
  write_file(path, source);
  const auto* row = std::find_if(std::begin(kAssemblers), std::end(kAssemblers),
                                 [&](const AssemblerRow& r) { return r.target == target.name; });
  REQUIRE(row != std::end(kAssemblers));
  const auto not_understood = complaints(row->everything, path);
  // Where the texts are not understood at all, nothing would be checked.
  CHECK(not_understood.size() * 10 <= texts.size());
  std::vector<std::string> result;
  for (const auto& [number, complaint] : complaints(row->command, path)) {
    if (!not_understood.count(number)) result.push_back(texts.at(number - 1) + ": " + complaint);
  }
  std::remove(path.c_str());
  return result;
}

}  // namespace ag::test
