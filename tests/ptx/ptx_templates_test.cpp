// The PTX of the schedules for CUDA, run in the machine: kernels of the table of op cases and of
// its gradients equal the interpreter of the IR, and the machine has nothing to report: no access
// out of bounds, no value used that was never written, no race, no barrier that some threads miss.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "codegen/compile.h"
#include "codegen/plan/buffer_form.h"
#include "codegen/plan/kernel_request.h"
#include "codegen/schedule/apply.h"
#include "ir/ops/kernel.h"
#include "ir/parse.h"
#include "tests/op_cases.h"
#include "tests/ptx/ptx_machine.h"

using namespace ag;

namespace {

struct Case {
  std::string row;
  KernelRequest request;
  std::vector<ReferenceTensor> operands, results;
};

// A value as a kernel over vectors reads it.
ReferenceTensor as_form(ReferenceTensor value, const BufferForm& form) {
  value.shape = form.type.shape;
  return value;
}

Case case_of(const std::string& row, const Graph& graph, int i,
             const std::vector<std::vector<ReferenceTensor>>& values, const Target& target) {
  const Node& node = graph.node(i);
  std::vector<BufferForm> operands, results;
  for (Value operand : node.operands) operands.push_back(plan::form_of(graph.type(operand), {}));
  for (const TensorType& type : node.types) results.push_back(plan::form_of(type, {}));
  Case test{row, plan::kernel_request(node, operands, results, {}, target), {}, {}};
  for (size_t o = 0; o < operands.size(); ++o) {
    const Value operand = node.operands[o];
    test.operands.push_back(
        as_form(values[operand.node][operand.result], test.request.operands[o]));
  }
  for (size_t r = 0; r < results.size(); ++r) {
    test.results.push_back(as_form(values[i][r], test.request.results[r]));
  }
  return test;
}

// Kernels that differ in more than sizes: the template, and the ops of the body.
std::string kind_of(const Case& test) {
  std::set<std::string> ops;
  const Graph body = parse(test.request.text, "body.ag");
  for (int i = 0; i < body.size(); ++i) ops.insert(std::string(body.node(i).op->name));
  std::string kind = test.request.schedule.substr(0, test.request.schedule.find('{'));
  for (const std::string& op : ops) kind += " " + op;
  return kind;
}

bool is_wanted(const OpCase& row) {
  const char* part = std::getenv("ARGENT_OP_CASES");
  return !part || row.name().find(part) != std::string::npos;
}

std::map<std::string, Case> all_cases() {
  std::map<std::string, Case> cases;
  const Target& target = find_target("cuda-sm_80");
  for (const OpCase& row : op_cases()) {
    if (!is_wanted(row)) continue;
    const BuiltCase built = build_gradient_case(row, row.dtypes[0]);
    const Graph graph = lower_to_kernels(built.graph, target);
    Bindings rounded;
    for (const auto& [name, value] : built.bindings) {
      rounded[name] = ReferenceTensor::from(value.to_array());
    }
    const auto values = interpret_all(graph, rounded);
    for (int i = 0; i < graph.size(); ++i) {
      const Node& node = graph.node(i);
      if (!node.is(ops::kernel) || node.types[0].count() == 0) continue;
      Case test = case_of(row.name(), graph, i, values, target);
      cases.emplace(kind_of(test), std::move(test));
    }
  }
  return cases;
}

void compare(const Array& got, const ReferenceTensor& want) {
  REQUIRE(got.count() == want.count());
  double largest = 1, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    largest = std::max(largest, std::fabs(want.number(i)));
    const double value =
        is_float(got.dtype()) ? got.get_double(i) : static_cast<double>(got.get_int(i));
    const double error = std::fabs(value - want.number(i));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  CHECK(worst <= (is_float(got.dtype()) ? 1e-5 * largest : 0));
}

// A kernel's memory on the machine: its parameters, scratch and constants.
class Device {
 public:
  Device(const Case& test, const KernelResult& kernel) : kernel_(kernel) {
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

void check_run(const Case& test) {
  CAPTURE(test.row);
  CAPTURE(test.request.schedule);
  CAPTURE(test.request.text);
  try {
    const KernelResult kernel = schedule::compile_kernel(test.request);
    for (const ptx::Order order : {ptx::Order::forward, ptx::Order::shuffled}) {
      Device device(test, kernel);
      CHECK(device.run(order) == "");
      for (size_t i = 0; i < test.results.size(); ++i)
        compare(device.results()[i], test.results[i]);
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
