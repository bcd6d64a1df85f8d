#include "tests/gpu/ptx_assembler.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>

#include "ir/diagnostics.h"
#include "ir/file.h"

namespace ag {
namespace {

namespace fs = std::filesystem;

int number_in(const std::string& line, const std::string& pattern) {
  std::smatch found;
  return std::regex_search(line, found, std::regex(pattern)) ? std::stoi(found[1]) : 0;
}

}  // namespace

std::optional<std::string> find_ptxas() {
  if (const char* named = std::getenv("ARGENT_PTXAS")) return named;
  const fs::path libraries = fs::path(ARGENT_SOURCE_DIR) / ".venv/lib";
  std::error_code none;
  for (const auto& python : fs::directory_iterator(libraries, none)) {
    const fs::path file = python.path() / "site-packages/nvidia/cu13/bin/ptxas";
    if (fs::exists(file)) return file.string();
  }
  return std::nullopt;
}

std::vector<PtxReport> assemble_ptx(const std::string& ptxas, const std::string& ptx,
                                    const std::string& device) {
  static std::atomic<int> count = 0;  // several may run at once
  const std::string base =
      (fs::temp_directory_path() / fmt::format("argent_ptx_{}_{}", getpid(), count++)).string();
  write_file(base + ".ptx", ptx);
  const std::string command =
      fmt::format("{} -v -arch={} {}.ptx -o /dev/null > {}.txt 2>&1", ptxas, device, base, base);
  const int status = std::system(command.c_str());
  const std::vector<std::byte> bytes = read_file(base + ".txt");
  const std::string said(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  fs::remove(base + ".ptx");
  fs::remove(base + ".txt");
  if (status != 0) throw CompileError("ptxas: " + said);
  std::vector<PtxReport> reports;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    std::smatch name;
    if (std::regex_search(line, name, std::regex("Compiling entry function '([^']*)'"))) {
      reports.emplace_back().entry = name[1];
    }
    if (reports.empty()) continue;
    PtxReport& report = reports.back();
    report.stack_bytes += number_in(line, "(\\d+) bytes stack frame");
    report.spilled_bytes += number_in(line, "(\\d+) bytes spill stores");
    report.spilled_bytes += number_in(line, "(\\d+) bytes spill loads");
    report.registers += number_in(line, "Used (\\d+) registers");
    report.shared_bytes += number_in(line, "(\\d+) bytes smem");
  }
  return reports;
}

}  // namespace ag
