// Walks the table of op cases through the compiler: every row, in every dtype it has, and its
// gradient in the first of them, equals the interpreter.
#include <doctest/doctest.h>

#include <cmath>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "ir/ops/leaf.h"
#include "tests/op_cases.h"

using namespace ag;

namespace {

// Rows compiled together: enough to keep all workers busy, few enough to name a culprit soon.
constexpr size_t kRowsPerProgram = 24;

struct Run {
  std::string name;
  BuiltCase built;
};

// Error allowed, relative to the largest element of the result: rounding of the stored type, many
// times over for sums.
double tolerance(DType dtype) {
  switch (dtype) {
    case DType::f64: return 1e-11;
    case DType::f32: return 2e-5;
    case DType::f16: return 4e-3;
    case DType::bf16: return 3e-2;
    default: return 0;
  }
}

// The coarsest type a run computes with.
DType coarsest(const Graph& graph) {
  DType coarse = DType::f64;
  for (int i = 0; i < graph.size(); ++i) {
    for (const TensorType& type : graph.node(i).types) {
      if (is_float(type.dtype) && tolerance(type.dtype) > tolerance(coarse)) coarse = type.dtype;
    }
  }
  return coarse;
}

// Rounding an operand of size `magnitude` changes exp() of it, and so the result, by that many
// units in the last place: allowed besides the tolerance.
double allowed_error(DType coarse, double largest, double magnitude) {
  double unit = coarse == DType::f64 ? 0x1p-53 : coarse == DType::f32 ? 0x1p-24 : 0;
  return (tolerance(coarse) + 2 * unit * magnitude) * largest;
}

void compare(const Array& got, const ReferenceTensor& want, DType coarse, double magnitude) {
  REQUIRE(got.count() == want.count());
  double largest = 1, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    largest = std::max(largest, std::fabs(want.number(i)));
    double error = std::fabs(got.get_double(i) - want.number(i));
    worst = std::isnan(error) ? error : std::max(worst, error);
  }
  CHECK(worst <= (is_float(got.dtype()) ? allowed_error(coarse, largest, magnitude) : 0));
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
  for (size_t i = 0; i < got.size(); ++i) {
    INFO(run.built.graph.outputs()[i].name);
    compare(got[i], want[i], coarsest(run.built.graph), magnitude);
  }
}

// Compiles the runs into one program; if that fails, each into its own, to name the culprit.
void check_runs(std::span<const Run> runs) {
  std::vector<ProgramEntry> entries;
  for (const Run& run : runs) entries.push_back({run.name, run.built.graph});
  try {
    CompiledProgram compiled = compile_graphs("rows", entries, stored_values(runs[0]));
    ProgramInstance instance = LoadedProgram::in_memory(compiled.program)->instance(2);
    for (size_t i = 0; i < runs.size(); ++i) {
      CAPTURE(runs[i].name);
      check_run(runs[i], instance, static_cast<int>(i));
    }
  } catch (const CompileError& error) {
    if (runs.size() == 1) {
      FAIL_CHECK(runs[0].name << ": " << std::string(error.what()));
      return;
    }
    for (const Run& run : runs) check_runs({&run, 1});
  }
}

}  // namespace

TEST_CASE("compiled rows and their gradients equal the interpreter") {
  std::vector<Run> batch;
  auto flush = [&] {
    if (!batch.empty()) check_runs(batch);
    batch.clear();
  };
  for (const OpCase& row : op_cases()) {
    for (DType dtype : row.dtypes) {
      bool first = dtype == row.dtypes[0];
      Run run{row.name() + "." + std::string(name_of(dtype)),
              first ? build_gradient_case(row, dtype) : build_case(row, dtype)};
      if (stored_values(run).empty())
        batch.push_back(std::move(run));
      else
        check_runs({&run, 1});
      if (batch.size() == kRowsPerProgram) flush();
    }
  }
  flush();
}
