#include "tests/gpu/ptx_kernels.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "codegen/compile.h"
#include "codegen/kernel/worker_pool.h"
#include "codegen/schedule/cuda/rules.h"
#include "ir/parse.h"
#include "tests/gpu/ptx_assembler.h"

namespace ag {
namespace {

constexpr int64_t kRegisters = 65536, kSharedBytes = 48 * 1024;  // of a multiprocessor; of a block
constexpr size_t kFileBytes = 400'000;                           // of a module: ptxas starts slowly

std::string template_of(const KernelRequest& request) {
  return request.schedule.substr(0, request.schedule.find('{'));
}

std::string kind_of(const KernelRequest& request) {
  std::set<std::string_view> ops;
  const Graph body = parse(request.text, "body.ag");
  std::string kind = request.schedule;
  for (int i = 0; i < body.size(); ++i) ops.insert(body.node(i).op->name);
  for (std::string_view op : ops) kind += " " + std::string(op);
  for (const BufferForm& form : request.results)
    kind += fmt::format(" {}{}", name_of(form.type.dtype), form.type.rank());
  return kind;
}

int64_t elements_of(const KernelRequest& request) {
  int64_t elements = 0;
  for (const auto* forms : {&request.operands, &request.results})
    for (const BufferForm& form : *forms) elements += form.type.count();
  return elements;
}

int64_t threads_of(const KernelLaunch& launch) {
  return launch.threads[0] * launch.threads[1] * launch.threads[2];
}

}  // namespace

void PtxKernels::add(const std::string& name, const Graph& graph) {
  const Graph kernels = lower_to_kernels(graph, target_);
  const plan::EntryGraph entry{"main", &kernels};
  for (KernelRequest& request : plan::plan_program("network", target_, {&entry, 1}).requests) {
    if (seen_.insert(request.symbol).second) kernels_.push_back({name, std::move(request), {}});
  }
}

void PtxKernels::keep_kinds() {
  std::map<std::string, Kernel> largest;
  for (Kernel& kernel : kernels_) {
    const auto [place, is_new] = largest.try_emplace(kind_of(kernel.request), kernel);
    if (!is_new && elements_of(kernel.request) > elements_of(place->second.request))
      place->second = kernel;
  }
  kernels_.clear();
  for (auto& [kind, kernel] : largest) kernels_.push_back(std::move(kernel));
}

std::string PtxKernels::templates() const {
  std::map<std::string, int> counts;
  for (const Kernel& kernel : kernels_) ++counts[template_of(kernel.request)];
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
  return text;
}

void PtxKernels::compile() {
  std::vector<KernelRequest> requests;
  for (const Kernel& kernel : kernels_) requests.push_back(kernel.request);
  const std::vector<KernelOutcome> outcomes = WorkerPool::shared().compile_each(requests);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    CAPTURE(kernels_[i].of);
    CAPTURE(requests[i].schedule);
    CAPTURE(requests[i].text);
    REQUIRE_MESSAGE(outcomes[i].status == KernelStatus::ok, outcomes[i].message);
    const KernelResult& result = outcomes[i].result;
    check_launches(result, requests[i]);
    kernels_[i].launches = result.launches;
    const size_t head = result.ptx.find('\n', result.ptx.find(".address_size"));
    head_ = result.ptx.substr(0, head);
    bodies_[requests[i].symbol] = result.ptx.substr(head);
  }
}

void PtxKernels::check_launches(const KernelResult& result, const KernelRequest& request) const {
  CHECK(result.object.empty());
  CHECK_FALSE(result.launches.empty());
  const auto parameters = static_cast<int64_t>(request.operands.size() + request.results.size());
  for (const KernelLaunch& launch : result.launches) {
    CHECK(launch.shared_bytes <= kSharedBytes);
    CHECK(threads_of(launch) <= kMostThreads);
    for (const LaunchArgument& argument : launch.arguments) {
      const bool of_parameter = argument.memory == LaunchArgument::Memory::parameter;
      const bool of_scratch = argument.memory == LaunchArgument::Memory::scratch;
      CHECK(argument.where >= 0);
      if (of_parameter) CHECK(argument.where < parameters);
      if (of_scratch) CHECK(argument.where < result.scratch_bytes);
    }
  }
}

void PtxKernels::assemble(const std::string& device) const {
  const std::optional<std::string> ptxas = find_ptxas();
  if (!ptxas) {
    MESSAGE("skipped: needs ptxas (scripts/requirements.txt, or ARGENT_PTXAS)");
    return;
  }
  std::map<std::string, Entry> entries;
  std::vector<std::string> modules;
  for (const Kernel& kernel : kernels_) {
    for (const KernelLaunch& launch : kernel.launches) entries[launch.entry] = {&kernel, &launch};
    if (modules.empty() || modules.back().size() > kFileBytes) modules.push_back(head_);
    modules.back() += bodies_.at(kernel.request.symbol);
  }
  std::vector<std::vector<PtxReport>> reports(modules.size());
  std::vector<std::string> refused(modules.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < modules.size(); i = next++) {
      try {
        reports[i] = assemble_ptx(*ptxas, modules[i], device);
      } catch (const std::exception& error) {
        refused[i] = error.what();
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
  threads.clear();  // joins
  size_t assembled = 0;
  int registers = 0;
  for (size_t i = 0; i < modules.size(); ++i) {
    CHECK(refused[i] == "");
    assembled += reports[i].size();
    for (const PtxReport& report : reports[i]) {
      check(report, entries);
      registers = std::max(registers, report.registers);
    }
  }
  CHECK(assembled == entries.size());
  fmt::print("{}: {} kernels ({}), {} launches; at most {} registers a thread\n", device, size(),
             templates(), assembled, registers);
}

void PtxKernels::check(const PtxReport& report, const std::map<std::string, Entry>& entries) const {
  const auto found = entries.find(report.entry);
  REQUIRE_MESSAGE(found != entries.end(), report.entry);
  const Entry& entry = found->second;
  CAPTURE(entry.kernel->of);
  CAPTURE(entry.kernel->request.schedule);
  CAPTURE(entry.kernel->request.text);
  CHECK(report.registers > 0);
  CHECK(report.registers * threads_of(*entry.launch) <= kRegisters);
  CHECK(report.spilled_bytes == 0);
  CHECK(report.stack_bytes == 0);
  CHECK(report.shared_bytes + entry.launch->shared_bytes <= kSharedBytes);
}

}  // namespace ag
