#include "tests/gpu/ptx_assembler.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "ir/diagnostics.h"
#include "ir/file.h"

namespace ag {
namespace {

namespace fs = std::filesystem;

int number_in(const std::string& line, const std::regex& pattern) {
  std::smatch found;
  return std::regex_search(line, found, pattern) ? std::stoi(found[1]) : 0;
}

}  // namespace

std::optional<std::string> find_pinned_ptxas() {
  const char* named = std::getenv("ARGENT_PTXAS");
  if (named && *named) return named;
  const fs::path libraries = fs::path(ARGENT_SOURCE_DIR) / ".venv/lib";
  std::error_code none;
  for (const auto& python : fs::directory_iterator(libraries, none)) {
    const fs::path file = python.path() / "site-packages/nvidia/cu13/bin/ptxas";
    if (fs::exists(file)) return file.string();
  }
  return std::nullopt;
}

std::vector<PtxReport> ptx_reports(const std::string& ptxas, const std::string& ptx,
                                   const std::string& device) {
  static std::atomic<int> count = 0;  // several may run at once
  const std::string base =
      (fs::temp_directory_path() / fmt::format("argent_ptx_{}_{}", getpid(), count++)).string();
  std::ofstream(base + ".ptx") << ptx;  // need not be on the disk
  const std::string command =
      fmt::format("{} -v -arch={} {}.ptx -o /dev/null > {}.txt 2>&1", ptxas, device, base, base);
  const int status = std::system(command.c_str());
  const std::vector<std::byte> bytes = read_file(base + ".txt");
  const std::string said(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  fs::remove(base + ".ptx");
  fs::remove(base + ".txt");
  if (status != 0) throw CompileError("ptxas: " + said);
  static const std::regex kEntry("Compiling entry function '([^']*)'"),
      kStack("(\\d+) bytes stack frame"), kStores("(\\d+) bytes spill stores"),
      kLoads("(\\d+) bytes spill loads"), kRegisters("Used (\\d+) registers"),
      kShared("(\\d+) bytes smem");
  std::vector<PtxReport> reports;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    std::smatch name;
    if (std::regex_search(line, name, kEntry)) reports.emplace_back().entry = name[1];
    if (reports.empty()) continue;
    PtxReport& report = reports.back();
    report.stack_bytes += number_in(line, kStack);
    report.spilled_bytes += number_in(line, kStores) + number_in(line, kLoads);
    report.registers += number_in(line, kRegisters);
    report.shared_bytes += number_in(line, kShared);
  }
  return reports;
}

}  // namespace ag
