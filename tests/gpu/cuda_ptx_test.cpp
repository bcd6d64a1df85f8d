// The PTX of CUDA programs, assembled for real devices' instruction sets without one: every kernel
// of op cases, networks and training steps passes ptxas for sm_80 and sm_90, spills nothing and
// fits a multiprocessor. Nothing is run.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "codegen/compile.h"
#include "codegen/kernel/worker_pool.h"
#include "codegen/schedule/cuda/rules.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/leaf.h"
#include "tests/gpu/ptx_assembler.h"
#include "tests/op_cases.h"
#include "train/training_step.h"

using namespace ag;

namespace {

constexpr int64_t kRegisters = 65536, kSharedBytes = 48 * 1024;  // of a multiprocessor; of a block

// Kernels by symbol: networks share many.
class Kernels {
 public:
  explicit Kernels(const std::string& target) : target_(find_target(target)) {}

  void add(const std::string& name, const Graph& graph) {
    const Graph kernels = lower_to_kernels(graph, target_);
    const plan::EntryGraph entry{"main", &kernels};
    for (KernelRequest& request : plan::plan_program("network", target_, {&entry, 1}).requests) {
      if (!seen_.insert(request.symbol).second) continue;
      of_.push_back(name);
      requests_.push_back(std::move(request));
    }
  }

  // Compiles and checks them; several modules are one file for ptxas, which starts slowly.
  void check(const std::string& device) {
    const std::optional<std::string> ptxas = find_ptxas();
    if (!ptxas) {
      MESSAGE("skipped: needs ptxas (scripts/requirements.txt, or ARGENT_PTXAS)");
      return;
    }
    const std::vector<KernelOutcome> outcomes = WorkerPool::shared().compile_each(requests_);
    std::map<std::string, size_t> kernel_of;
    std::map<std::string, KernelLaunch> launches;
    std::string module;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      CAPTURE(of_[i]);
      CAPTURE(requests_[i].schedule);
      CAPTURE(requests_[i].text);
      REQUIRE_MESSAGE(outcomes[i].status == KernelStatus::ok, outcomes[i].message);
      const KernelResult& result = outcomes[i].result;
      check_launches(result, requests_[i]);
      for (const KernelLaunch& launch : result.launches) {
        kernel_of[launch.entry] = i;
        launches[launch.entry] = launch;
      }
      module += module.empty() ? result.ptx : without_head(result.ptx);
      if (module.size() > kFileBytes || i + 1 == outcomes.size()) {
        check_module(*ptxas, module, device, kernel_of, launches);
        module.clear();
      }
    }
    fmt::print("{}: {} kernels, {} launches; at most {} registers a thread\n", device,
               outcomes.size(), launches.size(), most_registers_);
  }

 private:
  static constexpr size_t kFileBytes = 400'000;

  static std::string without_head(const std::string& ptx) {
    return ptx.substr(ptx.find('\n', ptx.find(".address_size")));
  }

  static void check_launches(const KernelResult& result, const KernelRequest& request) {
    CHECK(result.object.empty());
    CHECK_FALSE(result.launches.empty());
    const int64_t parameters =
        static_cast<int64_t>(request.operands.size() + request.results.size());
    for (const KernelLaunch& launch : result.launches) {
      CHECK(launch.shared_bytes <= kSharedBytes);
      CHECK(launch.threads[0] * launch.threads[1] * launch.threads[2] <= kMostThreads);
      for (const LaunchArgument& argument : launch.arguments) {
        const bool of_parameter = argument.memory == LaunchArgument::Memory::parameter;
        const bool of_scratch = argument.memory == LaunchArgument::Memory::scratch;
        CHECK(argument.where >= 0);
        if (of_parameter) CHECK(argument.where < parameters);
        if (of_scratch) CHECK(argument.where < result.scratch_bytes);
      }
    }
  }

  void check_module(const std::string& ptxas, const std::string& module, const std::string& device,
                    const std::map<std::string, size_t>& kernel_of,
                    const std::map<std::string, KernelLaunch>& launches) {
    for (const PtxReport& report : assemble_ptx(ptxas, module, device)) {
      const KernelLaunch& launch = launches.at(report.entry);
      const size_t i = kernel_of.at(report.entry);
      CAPTURE(of_[i]);
      CAPTURE(requests_[i].schedule);
      CAPTURE(requests_[i].text);
      const int64_t threads = launch.threads[0] * launch.threads[1] * launch.threads[2];
      CHECK(report.registers > 0);
      CHECK(report.registers * threads <= kRegisters);
      CHECK(report.spilled_bytes == 0);
      CHECK(report.stack_bytes == 0);
      CHECK(report.shared_bytes + launch.shared_bytes <= kSharedBytes);
      most_registers_ = std::max(most_registers_, report.registers);
    }
  }

  const Target& target_;
  std::set<std::string> seen_;
  std::vector<std::string> of_;  // a network or row that has the request
  std::vector<KernelRequest> requests_;
  int most_registers_ = 0;
};

const std::set<std::string> kInHalves{"relu", "add", "reduce_sum", "matmul", "conv", "softmax"};

void check_for_devices(const std::function<void(Kernels&)>& fill) {
  for (const char* device : {"sm_80", "sm_90"}) {
    CAPTURE(device);
    Kernels kernels("cuda-" + std::string(device));
    fill(kernels);
    kernels.check(device);
  }
}

}  // namespace

TEST_CASE("kernels of op cases assemble") {
  check_for_devices([](Kernels& kernels) {
    std::set<std::string> seen;  // one row of each op, and its gradient
    for (const OpCase& row : op_cases()) {
      if (!seen.insert(row.op).second) continue;
      kernels.add(row.name(), build_gradient_case(row, row.dtypes[0]).graph);
      for (DType half : {DType::f16, DType::bf16}) {
        if (kInHalves.contains(row.op))
          kernels.add(row.name(), build_gradient_case(row, half).graph);
      }
    }
    fmt::print("one row of each of {} ops of {}\n", seen.size(), op_cases().size());
  });
}

TEST_CASE("kernels of LeNet-5 and ResNet-20, and of training them, assemble") {
  check_for_devices([](Kernels& kernels) {
    for (const char* name : {"lenet5", "resnet20_cifar"}) {
      kernels.add(name, zoo_model(name, 1).forward());
      kernels.add(std::string(name) + " training", training_step(zoo_model(name, 128), {}).graph);
    }
  });
}

// Minutes: with ARGENT_ZOO=all, every network; else only that it can be asked for.
TEST_CASE("kernels of the zoo's networks assemble") {
  const char* asked = std::getenv("ARGENT_ZOO");
  if (!asked) {
    MESSAGE("skipped: set ARGENT_ZOO=all, or to a network's name");
    return;
  }
  Kernels kernels("cuda-sm_90");
  for (const ZooEntry& entry : zoo_entries()) {
    if (std::string(asked) == "all" || entry.name == asked)
      kernels.add(std::string(entry.name), zoo_model(entry.name).forward());
  }
  kernels.check("sm_90");
}
