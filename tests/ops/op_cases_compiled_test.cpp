// Walks the table of op cases through the compiler: every row and its gradients, in every dtype it
// has, equal the interpreter. The environment variable ARGENT_TEST_TARGET names another target than
// the processor: `./test --gpu` runs the rows on a device.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <set>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "tests/check_close.h"
#include "tests/op_cases.h"

using namespace ag;

namespace {

// Rows compiled together: enough to keep all workers busy, few enough to name a culprit soon.
constexpr size_t kRowsPerProgram = 24;

struct Run {
  std::string name;
  BuiltCase built;
};

// Half the distance of neighbouring values, relative: what one rounding may change.
double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::f64: return 0x1p-53;
    case DType::f32: return 0x1p-24;
    case DType::f16: return 0x1p-11;
    case DType::bf16: return 0x1p-8;
    default: return 0;
  }
}

// Kernels compute halves in f32.
double compute_roundoff(DType dtype) {
  return std::min(unit_roundoff(dtype), unit_roundoff(DType::f32));
}

// Values of a graph that are rounded one after another, at most: composites are a handful of
// kernels, whose results are stored, and elementary functions err by a few units.
constexpr double kRoundings = 16;

// What compiled code may differ by from the interpreter, which computes in double, relative to the
// largest number around: kRoundings of the coarsest stored type; one of the computing type for each
// term of the longest sum; and, since exp() of x turns a relative error of x into one of |x| times
// that size, one more for each unit of the largest operand.
double allowed_error(DType coarsest, double longest_sum, double largest_operand) {
  return kRoundings * unit_roundoff(coarsest) +
         (longest_sum + 2 * largest_operand) * compute_roundoff(coarsest);
}

// The coarsest float type of a graph; f64 where there is none.
DType coarsest(const Graph& graph) {
  DType coarse = DType::f64;
  for (int i = 0; i < graph.size(); ++i) {
    for (const TensorType& type : graph.node(i).types) {
      if (unit_roundoff(type.dtype) > unit_roundoff(coarse)) coarse = type.dtype;
    }
  }
  return coarse;
}

// No element is the sum of more terms than any node has operand elements per result element, or
// multiply-adds.
double longest_sum(const Graph& graph) {
  double longest = 0;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    const double results = std::max<double>(1, static_cast<double>(node.types[0].count()));
    if (node.op->flops) {
      const double work = static_cast<double>(node.op->flops(node, graph.operand_types(node)));
      longest = std::max(longest, work / results);
    }
    for (const TensorType& type : graph.operand_types(node))
      longest = std::max(longest, static_cast<double>(type.count()) / results);
  }
  return longest;
}

std::map<std::string, Array> stored_values(const Run& run) {
  std::map<std::string, Array> weights;
  for (const OpDef* kind : {&ops::parameter, &ops::state}) {
    for (Value leaf : run.built.graph.leaves(*kind)) {
      const std::string& name = run.built.graph.leaf_name(leaf);
      weights[name] = run.built.bindings.at(name).to_array();
    }
  }
  return weights;
}

void check_run(const Run& run, ProgramInstance& instance, int entry) {
  std::vector<Array> inputs;
  for (Value leaf : run.built.graph.leaves(ops::input)) {
    inputs.push_back(run.built.bindings.at(run.built.graph.leaf_name(leaf)).to_array());
  }
  std::vector<Array> got = instance.run(entry, inputs);
  // What the compiled program reads is rounded to the stored types; so is what the interpreter
  // reads.
  Bindings rounded;
  double magnitude = 0;
  for (const auto& [name, value] : run.built.bindings) {
    rounded[name] = ReferenceTensor::from(value.to_array());
    for (double x : rounded[name].floats) magnitude = std::max(magnitude, std::fabs(x));
  }
  std::vector<ReferenceTensor> want = interpret(run.built.graph, rounded);
  const double allowed =
      allowed_error(coarsest(run.built.graph), longest_sum(run.built.graph), magnitude);
  for (size_t i = 0; i < got.size(); ++i) {
    const std::string& name = run.built.graph.outputs()[i].name;
    // The sum of what the other outputs are times numbers: their errors add up, and it may cancel.
    if (name == "loss") continue;
    INFO(name);
    check_close(got[i], want[i], allowed);
  }
}

// Of f64, some functions exist on no device, and compiling says so.
bool is_beyond_devices(const std::exception& error) {
  return std::string(error.what()).find("needs a function that no device has") != std::string::npos;
}

// Compiles the runs into one program; if that fails, each into its own, to name the culprit.
void check_runs(std::span<const Run> runs, const std::string& target) {
  std::vector<ProgramEntry> entries;
  for (const Run& run : runs) entries.push_back({run.name, run.built.graph});
  try {
    CompiledProgram compiled =
        compile_graphs("rows", entries, stored_values(runs[0]), {.target = target});
    ProgramInstance instance = LoadedProgram::in_memory(compiled.program)->instance(2);
    for (size_t i = 0; i < runs.size(); ++i) {
      CAPTURE(runs[i].name);
      check_run(runs[i], instance, static_cast<int>(i));
    }
  } catch (const std::exception& error) {
    if (runs.size() == 1 && is_beyond_devices(error)) {
      MESSAGE("skipped: " << runs[0].name << ": " << std::string(error.what()));
      return;
    }
    if (runs.size() == 1) {
      FAIL_CHECK(runs[0].name << ": " << std::string(error.what()));
      return;
    }
    for (const Run& run : runs) check_runs({&run, 1}, target);
  }
}

// Checks runs in batches; parameters are a whole program's, so a run that has some is alone.
class Checker {
 public:
  explicit Checker(std::string target) : target_(std::move(target)) {}
  ~Checker() { flush(); }

  void add(Run run) {
    if (!stored_values(run).empty()) return check_runs({&run, 1}, target_);
    batch_.push_back(std::move(run));
    if (batch_.size() == kRowsPerProgram) flush();
  }

 private:
  void flush() {
    if (!batch_.empty()) check_runs(batch_, target_);
    batch_.clear();
  }

  std::string target_;
  std::vector<Run> batch_;
};

std::string run_name(const OpCase& row, DType dtype) {
  return row.name() + "." + std::string(name_of(dtype));
}

}  // namespace

TEST_CASE("compiled rows and their gradients equal the interpreter") {
  const char* named = std::getenv("ARGENT_TEST_TARGET");
  Checker checker(named ? named : "host");
  for (const OpCase& row : op_cases()) {
    if (!is_wanted(row)) continue;
    for (DType dtype : row.dtypes) {
      checker.add({run_name(row, dtype), build_gradient_case(row, dtype)});
    }
  }
}

// No instruction of this level knows a half: Halide converts them in integer arithmetic.
TEST_CASE("halves on a target without instructions for them") {
  if (!is_runnable(find_target("x86-64-v2"))) {
    MESSAGE("skipped: this machine does not run x86-64-v2");
    return;
  }
  Checker checker("x86-64-v2");
  std::set<std::string> seen;  // one row of each op
  for (const OpCase& row : op_cases()) {
    if (!is_wanted(row) || !seen.insert(row.op).second) continue;
    for (DType dtype : row.dtypes) {
      if (dtype == DType::f16 || dtype == DType::bf16)
        checker.add({run_name(row, dtype), build_case(row, dtype)});
    }
  }
}

// Kernels assume finite numbers, but a NaN that is there shows wherever it is stored.
TEST_CASE("NaN stays NaN in halves") {
  Graph graph;
  Tensor x = input(graph, "x", f32(4));
  for (DType half : {DType::bf16, DType::f16}) {
    Tensor stored = cast(x, half);
    graph.add_output(std::string(name_of(half)), stored.value());
    graph.add_output(std::string(name_of(half)) + "_read", cast(stored, DType::f32).value());
  }
  std::vector<float> values;
  for (uint32_t bits : {0x7fffffffu, 0xffffffffu, 0x7f800001u, 0xffc00000u})
    values.push_back(std::bit_cast<float>(bits));
  const Array image = Array::of({4}, values);
  for (const char* target : {"host", "x86-64-v2"}) {
    if (!is_runnable(find_target(target))) continue;
    CAPTURE(std::string(target));
    const ProgramEntry entry{"cast", graph};
    CompiledProgram compiled = compile_graphs("casts", {&entry, 1}, {}, {.target = target});
    ProgramInstance instance = LoadedProgram::in_memory(compiled.program)->instance(1);
    for (const Array& result : instance.run(0, {&image, 1})) {
      for (int64_t i = 0; i < result.count(); ++i) CHECK(std::isnan(result.get_double(i)));
    }
  }
}
