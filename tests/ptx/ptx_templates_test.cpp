// The PTX of the schedules for CUDA, run in the machine: kernels of the table of op cases and of
// its gradients equal the interpreter of the IR, and the machine has nothing to report: no access
// out of bounds, no value used that was never written, no race, no barrier that some threads miss.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "codegen/schedule/apply.h"
#include "tests/check_close.h"
#include "tests/gpu/kernel_case.h"
#include "tests/ptx/ptx_machine.h"

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

// A kernel's memory on the machine: its parameters, scratch and constants.
class Device {
 public:
  Device(const KernelCase& test, const KernelResult& kernel) : kernel_(kernel) {
    for (const ReferenceTensor& value : test.operands) {
      const Array array = value.to_array();
      parameters_.push_back(filled(array.data(), array.size_bytes()));
    }
    for (const BufferForm& form : test.request.results) {
      results_.emplace_back(form.type.dtype, form.type.shape);
      parameters_.push_back(machine_.allocate(results_.back().size_bytes()));
    }
    scratch_ = machine_.allocate(static_cast<size_t>(kernel.scratch_bytes));
    constants_ = filled(kernel.constants.data(), kernel.constants.size());
  }

  std::string run(ptx::Order order) {
    machine_.order = order;
    const ptx::Module& module = machine_.load(kernel_.ptx);
    std::string reports;
    for (const KernelLaunch& launch : kernel_.launches) {
      ptx::Arguments arguments;
      for (const LaunchArgument& argument : launch.arguments) {
        const ptx::Address address = address_of(argument);
        arguments.add(&address, sizeof address);
      }
      reports += machine_
                     .launch(module, launch.entry, dims(launch.blocks), dims(launch.threads),
                             static_cast<uint32_t>(launch.shared_bytes), arguments)
                     .text();
    }
    const size_t first = parameters_.size() - results_.size();
    for (size_t i = 0; i < results_.size(); ++i) {
      machine_.read(parameters_[first + i], results_[i].data(), results_[i].size_bytes());
    }
    return reports;
  }
  const std::vector<Array>& results() const { return results_; }

 private:
  static ptx::Dim3 dims(const std::vector<int64_t>& sizes) {
    return {static_cast<uint32_t>(sizes[0]), static_cast<uint32_t>(sizes[1]),
            static_cast<uint32_t>(sizes[2])};
  }
  ptx::Address filled(const void* data, size_t bytes) {
    const ptx::Address address = machine_.allocate(bytes);
    machine_.write(address, data, bytes);
    return address;
  }
  ptx::Address address_of(const LaunchArgument& argument) const {
    using Memory = LaunchArgument::Memory;
    const auto where = static_cast<uint64_t>(argument.where);
    if (argument.memory == Memory::parameter) return parameters_[where];
    return (argument.memory == Memory::scratch ? scratch_ : constants_) + where;
  }

  const KernelResult& kernel_;
  ptx::Machine machine_;
  std::vector<ptx::Address> parameters_;
  std::vector<Array> results_;
  ptx::Address scratch_ = 0, constants_ = 0;
};

void check_run(const KernelCase& test) {
  CAPTURE(test.row);
  CAPTURE(test.request.schedule);
  CAPTURE(test.request.text);
  try {
    const KernelResult kernel = schedule::compile_kernel(test.request);
    for (const ptx::Order order : {ptx::Order::forward, ptx::Order::shuffled}) {
      Device device(test, kernel);
      CHECK(device.run(order) == "");
      for (size_t i = 0; i < test.results.size(); ++i)
        check_close(device.results()[i], test.results[i], 1e-5);
    }
  } catch (const std::exception& error) {
    FAIL_CHECK(std::string(error.what()));
  }
}

}  // namespace

TEST_CASE("the PTX of the schedules for CUDA equals the interpreter, and nothing is reported") {
  std::map<std::string, int> found, run;
  const char* all = std::getenv("ARGENT_CUDA_CASES");
  for (const auto& [kind, test] : all_cases()) {
    const std::string name = kind.substr(0, kind.find(' '));
    const int stride = all && std::string(all) == "all" ? 1 : name == "pointwise" ? 8 : 2;
    if (found[name]++ % stride != 0) continue;
    check_run(test);
    ++run[name];
  }
  for (const auto& [name, count] : found) {
    fmt::print("template {}: {} of {} kinds of kernels run\n", name, run[name], count);
    CHECK(run[name] > 0);
  }
}
