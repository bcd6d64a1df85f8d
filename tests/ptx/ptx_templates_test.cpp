// The PTX of the schedules for CUDA, run in the machine: kernels of the table of op cases and of
// its gradients equal the interpreter of the IR, and the machine has nothing to report: no access
// out of bounds, no value used that was never written, no race, no barrier that some threads miss.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>

#include "codegen/schedule/apply.h"
#include "tests/check_close.h"
#include "tests/gpu/device_cases.h"
#include "tests/gpu/kernel_case.h"
#include "tests/ptx/kernel_device.h"

using namespace ag;

namespace {

std::map<std::string, KernelCase> all_cases() {
  std::map<std::string, KernelCase> cases;
  const Target& target = find_target("cuda-sm_80");
  for (const OpCase& row : op_cases()) {
    if (!is_wanted(row)) continue;
    for (KernelCase& test : kernel_cases(row, row.dtypes[0], target))
      cases.emplace(kind_of(test), std::move(test));
  }
  return cases;
}

void check_run(const KernelCase& test) {
  CAPTURE(test.row);
  CAPTURE(test.request.schedule);
  CAPTURE(test.request.text);
  try {
    const KernelResult kernel = schedule::compile_kernel(test.request);
    for (const ptx::Order order : {ptx::Order::forward, ptx::Order::shuffled}) {
      KernelDevice device(test, kernel);
      CHECK(device.run(order) == "");
      for (size_t i = 0; i < test.results.size(); ++i)
        check_close(device.result(i), test.results[i], 1e-5);
    }
  } catch (const std::exception& error) {
    FAIL_CHECK(std::string(error.what()));
  }
}

}  // namespace

TEST_CASE("the PTX of the schedules for CUDA equals the interpreter, and nothing is reported") {
  std::map<std::string, int> kinds;
  for (const auto& [kind, test] : all_cases()) {
    ++kinds[kind.substr(0, kind.find(' '))];
    check_run(test);
  }
  for (const auto& [name, count] : kinds)
    fmt::print("template {}: {} kinds of kernels run\n", name, count);
}

// Sums in warps' lanes: whole warps, rows with a rest, several warps and rows a block, and parts.
TEST_CASE("sums by shuffles equal the interpreter, and all lanes come to them") {
  std::set<std::string> run;
  for (const DeviceCase& wanted : device_cases()) {
    if (!is_wanted(wanted.row)) continue;
    for (const KernelCase& test : kernel_cases(wanted.row, DType::f32, find_target("cuda-sm_80"))) {
      const std::string& schedule = test.request.schedule;
      if (schedule.find("lanes=1") == schedule.npos || !run.insert(kind_of(test)).second) continue;
      check_run(test);
    }
  }
  fmt::print("{} kinds of kernels with sums by shuffles\n", run.size());
  CHECK(run.size() >= 8);
}

// Rows that are too long, or too many updates, for one thread.
TEST_CASE("large sums that choose or that data names equal the interpreter") {
  for (const DeviceCase& wanted : device_cases()) {
    const std::string& label = wanted.row.label;
    const bool is_one = label.starts_with("arg") || label.starts_with("scatter");
    if (!is_one || !is_wanted(wanted.row)) continue;
    for (const KernelCase& test : kernel_cases(wanted.row, DType::f32, find_target("cuda-sm_80")))
      check_run(test);
  }
}
