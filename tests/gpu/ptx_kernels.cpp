#include "tests/gpu/ptx_kernels.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "codegen/kernel/worker_pool.h"
#include "codegen/link/device_code.h"
#include "codegen/schedule/cuda/rules.h"
#include "tests/gpu/ptx_assembler.h"

namespace ag {
namespace {

constexpr int64_t kRegisters = 65536, kSharedBytes = 48 * 1024;  // of a multiprocessor; of a block
constexpr size_t kFileBytes = 400'000;                           // of a module: ptxas starts slowly

// A program's PTX begins with one head, the highest that its kernels ask for.
std::string head_of(const std::string& symbol, const plan::DeviceKernel& kernel) {
  plan::Program program;
  program.device_kernels[symbol] = std::make_shared<const plan::DeviceKernel>(kernel);
  return ptx_head(program);
}

int64_t threads_of(const KernelLaunch& launch) {
  return launch.threads[0] * launch.threads[1] * launch.threads[2];
}

// The text with the kernel's own name, which is a hash, left out.
std::string nameless(std::string text, const std::string& symbol) {
  for (size_t at = text.find(symbol); at != text.npos; at = text.find(symbol, at))
    text.erase(at, symbol.size());
  return text;
}

// All that ptxas and the checks depend on, without the name.
std::string content_of(const std::string& symbol, const plan::DeviceKernel& kernel) {
  std::string content = nameless(ptx_body(symbol, kernel), symbol);
  for (const KernelLaunch& launch : kernel.launches)
    content += fmt::format("{} {}\n", threads_of(launch), launch.shared_bytes);
  return content;
}

void check_launches(const plan::DeviceKernel& kernel, const KernelRequest& request,
                    int64_t scratch_bytes) {
  CHECK_FALSE(kernel.launches.empty());
  const auto parameters = static_cast<int64_t>(request.operands.size() + request.results.size());
  for (const KernelLaunch& launch : kernel.launches) {
    CHECK(launch.shared_bytes <= kSharedBytes);
    CHECK(threads_of(launch) <= kMostThreads);
    for (const LaunchArgument& argument : launch.arguments) {
      const bool of_parameter = argument.memory == LaunchArgument::Memory::parameter;
      const bool of_scratch = argument.memory == LaunchArgument::Memory::scratch;
      CHECK(argument.where >= 0);
      if (of_parameter) CHECK(argument.where < parameters);
      if (of_scratch) CHECK(argument.where < scratch_bytes);
      if (!of_parameter && !of_scratch)
        CHECK(argument.where < static_cast<int64_t>(kernel.constants.size()));
    }
  }
}

// What a kernel is and where it is from, for a message.
std::string origin_of(const std::string& name, const KernelRequest& request) {
  return fmt::format("a kernel of {} ({}):\n{}", name, request.schedule, request.text);
}

struct ModuleReports {
  std::vector<std::vector<PtxReport>> reports;
  std::vector<std::string> refused;
};

ModuleReports assemble_each(const std::string& ptxas, const std::vector<std::string>& modules,
                            const std::string& device) {
  ModuleReports all{std::vector<std::vector<PtxReport>>(modules.size()),
                    std::vector<std::string>(modules.size())};
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < modules.size(); i = next++) {
      try {
        all.reports[i] = ptx_reports(ptxas, modules[i], device);
      } catch (const std::exception& error) {
        all.refused[i] = error.what();
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
  threads.clear();  // joins
  return all;
}

}  // namespace

std::string over_limits(const PtxReport& report, const KernelLaunch& launch) {
  std::vector<std::string> found;
  const int64_t registers = report.registers * threads_of(launch);
  const int64_t shared = report.shared_bytes + launch.shared_bytes;
  if (report.registers == 0) found.emplace_back("no registers reported");
  if (report.spilled_bytes) found.push_back(fmt::format("spills {} bytes", report.spilled_bytes));
  if (report.stack_bytes) found.push_back(fmt::format("stack of {} bytes", report.stack_bytes));
  if (registers > kRegisters) found.push_back(fmt::format("{} registers a block", registers));
  if (shared > kSharedBytes) found.push_back(fmt::format("{} bytes of shared memory", shared));
  return fmt::format("{}", fmt::join(found, "; "));
}

PtxKernels::PtxKernels(const std::string& target)
    : target_(find_target(target)), ptxas_(find_pinned_ptxas()) {}

void PtxKernels::add(const std::string& name, const Graph& graph) {
  const Graph kernels = lower_to_kernels(graph, target_);
  const plan::EntryGraph entry{"main", &kernels};
  for (KernelRequest& request : plan::plan_program("network", target_, {&entry, 1}).requests) {
    if (seen_.insert(request.symbol).second) planned_.emplace_back(name, std::move(request));
  }
}

void PtxKernels::compile() {
  std::vector<KernelRequest> requests;
  for (const auto& [name, request] : planned_) requests.push_back(request);
  std::vector<KernelOutcome> outcomes = WorkerPool::shared().compile_each(requests);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    INFO(origin_of(planned_[i].first, requests[i]));
    REQUIRE_MESSAGE(outcomes[i].status == KernelStatus::ok, outcomes[i].message);
    KernelResult& result = outcomes[i].result;
    CHECK(result.object.empty());
    plan::DeviceKernel device{std::move(result.ptx), std::move(result.launches),
                              std::move(result.constants)};
    check_launches(device, requests[i], result.scratch_bytes);
    kernels_.push_back({planned_[i].first, requests[i], std::move(device)});
  }
  planned_.clear();
}

void PtxKernels::add(const std::string& name, const CompiledProgram& program) {
  std::map<std::string, const KernelReport*> reports;
  for (const KernelReport& report : program.kernels) reports[report.request.symbol] = &report;
  for (const auto& [symbol, device] : program.program.device_kernels) {
    if (!seen_.insert(symbol).second) continue;
    const auto report = reports.find(symbol);
    Kernel kernel{name, {}, *device};
    kernel.request.symbol = symbol;
    kernel.request.schedule = "copy";
    if (report != reports.end()) {
      kernel.request = report->second->request;
      INFO(origin_of(name, kernel.request));
      check_launches(*device, kernel.request, report->second->scratch_bytes);
    }
    kernels_.push_back(std::move(kernel));
  }
}

std::string PtxKernels::templates() const {
  std::map<std::string, int> counts;
  for (const Kernel& kernel : kernels_) {
    const std::string& schedule = kernel.request.schedule;
    ++counts[schedule.substr(0, schedule.find('{'))];
  }
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
  return text;
}

std::vector<std::string> PtxKernels::texts() const {
  std::vector<std::string> texts;
  for (const Kernel& kernel : kernels_)
    texts.push_back(content_of(kernel.request.symbol, kernel.device));
  return texts;
}

// Modules of the kernels that are new, and what they hold.
std::vector<std::string> PtxKernels::modules_of(Assembled& done,
                                                std::map<std::string, Entry>& entries) {
  std::vector<std::string> modules;
  for (; done.taken < kernels_.size(); ++done.taken) {
    const Kernel& kernel = kernels_[done.taken];
    const std::string& symbol = kernel.request.symbol;
    if (!done.distinct.insert(content_hash(content_of(symbol, kernel.device))).second) continue;
    for (const KernelLaunch& launch : kernel.device.launches)
      entries[launch.entry] = {&kernel, &launch};
    if (modules.empty() || modules.back().size() > kFileBytes)
      modules.push_back(head_of(symbol, kernel.device));
    modules.back() += ptx_body(symbol, kernel.device);
  }
  return modules;
}

void PtxKernels::assemble(const std::string& device) {
  if (!ptxas_) {
    MESSAGE("skipped: needs ptxas (scripts/requirements.txt, or ARGENT_PTXAS)");
    return;
  }
  Assembled& done = assembled_[device];
  std::map<std::string, Entry> entries;
  const std::vector<std::string> modules = modules_of(done, entries);
  const ModuleReports all = assemble_each(*ptxas_, modules, device);
  size_t launches = 0;
  for (size_t i = 0; i < modules.size(); ++i) {
    CHECK(all.refused[i] == "");
    launches += all.reports[i].size();
    for (const PtxReport& report : all.reports[i]) {
      const auto found = entries.find(report.entry);
      REQUIRE_MESSAGE(found != entries.end(), report.entry);
      const Kernel& kernel = *found->second.kernel;
      INFO(origin_of(kernel.of, kernel.request));
      CHECK(over_limits(report, *found->second.launch) == "");
      done.registers = std::max(done.registers, report.registers);
    }
  }
  CHECK(launches == entries.size());
  done.launches += launches;
}

std::string PtxKernels::summary(const std::string& device) const {
  const auto found = assembled_.find(device);
  const Assembled done = found == assembled_.end() ? Assembled{} : found->second;
  return fmt::format("{}: {} kernels ({}), {} of them distinct, {} launches; at most {} registers",
                     device, done.taken, templates(), done.distinct.size(), done.launches,
                     done.registers);
}

}  // namespace ag
