#include "tools/compile_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ag {
namespace {

// The first step that calls each kernel, and how many do.
struct Caller {
  const plan::Step* step = nullptr;
  int steps = 0;
};

std::map<std::string, Caller> callers_of(const plan::Program& program) {
  std::map<std::string, Caller> callers;
  auto add = [&](const std::vector<plan::Step>& steps) {
    for (const plan::Step& step : steps) {
      Caller& caller = callers[step.kernel];
      if (!caller.step) caller.step = &step;
      ++caller.steps;
    }
  };
  for (const plan::Entry& entry : program.entries) add(entry.steps);
  add(program.prepare);
  return callers;
}

nlohmann::json row_of(const KernelReport& report, const Caller& caller) {
  const Location location = caller.step ? caller.step->location : Location();
  return {{"symbol", report.request.symbol},
          {"layer", location.scope},
          {"file", location.file},
          {"line", location.line},
          {"kernel", caller.step ? caller.step->name : ""},
          {"calls", caller.steps},
          {"target", report.request.target},
          {"schedule", report.request.schedule},
          {"lowering_ms", report.lowering_ms},
          {"llvm_ms", report.llvm_ms},
          {"object_bytes", report.object_bytes}};
}

double milliseconds(const nlohmann::json& row) {
  return row["lowering_ms"].get<double>() + row["llvm_ms"].get<double>();
}

std::string source_of(const nlohmann::json& row) {
  const std::string file = row["file"];
  return file.empty() ? "" : fmt::format("{}:{}", file, row["line"].get<int>());
}

void print_row(const nlohmann::json& row, double all) {
  fmt::print("{:>11.0f}  {:>7.0f}  {:>6.1f}  {:>10.1f}  {:>5}  {}{}{}  {}\n",
             row["lowering_ms"].get<double>(), row["llvm_ms"].get<double>(),
             100 * milliseconds(row) / all, row["object_bytes"].get<double>() / 1024,
             row["calls"].get<int>(), row["layer"].get<std::string>(),
             row["layer"].get<std::string>().empty() ? "" : " ", source_of(row),
             row["kernel"].get<std::string>());
}

}  // namespace

nlohmann::json compile_profile(std::span<const CompiledProgram> levels,
                               const CompileStages& stages) {
  std::vector<nlohmann::json> rows;
  for (const CompiledProgram& level : levels) {
    const std::map<std::string, Caller> callers = callers_of(level.program);
    for (const KernelReport& report : level.kernels) {
      const auto caller = callers.find(report.request.symbol);
      rows.push_back(row_of(report, caller == callers.end() ? Caller{} : caller->second));
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const nlohmann::json& a, const nlohmann::json& b) {
    return milliseconds(a) > milliseconds(b);
  });
  return {{"network_seconds", stages.network},
          {"passes_seconds", stages.passes},
          {"kernels_seconds", stages.kernels},
          {"link_seconds", stages.link},
          {"kernels", rows}};
}

void print_compile_profile(const nlohmann::json& profile) {
  double all = 0, lowering = 0, bytes = 0;
  for (const nlohmann::json& row : profile["kernels"]) {
    all += milliseconds(row);
    lowering += row["lowering_ms"].get<double>();
    bytes += row["object_bytes"].get<double>();
  }
  fmt::print(
      "\nstages: network {:.2f} s, passes and plan {:.2f} s, kernels {:.2f} s, link {:.2f} s\n",
      profile["network_seconds"].get<double>(), profile["passes_seconds"].get<double>(),
      profile["kernels_seconds"].get<double>(), profile["link_seconds"].get<double>());
  fmt::print(
      "kernels: {:.2f} s of one core, {:.2f} lowering and {:.2f} LLVM; {:.1f} KiB of objects "
      "(from the cache: the times they took when they were compiled)\n\n",
      all * 1e-3, lowering * 1e-3, (all - lowering) * 1e-3, bytes / 1024);
  fmt::print("{:>11}  {:>7}  {:>6}  {:>10}  {:>5}  kernel\n", "lowering ms", "LLVM ms", "%",
             "object KiB", "calls");
  for (const nlohmann::json& row : profile["kernels"]) print_row(row, all);
}

}  // namespace ag
