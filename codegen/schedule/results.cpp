#include "codegen/schedule/results.h"

namespace ag::schedule {

using Halide::Func;
using Halide::Var;

namespace {

std::vector<Var> physical_variables(size_t rank) {
  std::vector<Var> variables;
  for (size_t d = 0; d < rank; ++d)
    variables.push_back(lower::Kernel::physical(static_cast<int>(d)));
  return variables;
}

// A Func of all results at one position, and of what is computed before the first is stored.
Func tuple_of(const std::vector<Func>& funcs, const std::string& name, size_t rank) {
  std::vector<Var> variables = physical_variables(rank);
  std::vector<Halide::Expr> values;
  for (const Func& func : funcs) values.push_back(func(variables));
  Func tuple(name);
  tuple(variables) = Halide::Tuple(values);
  return tuple;
}

Func copy_of(const Func& source, size_t rank) {
  std::vector<Var> variables = physical_variables(rank);
  std::vector<Halide::Expr> values;
  for (int i = 0; i < static_cast<int>(source.types().size()); ++i)
    values.push_back(source(variables)[i]);
  Func copy("stored");
  copy(variables) = Halide::Tuple(values);
  return copy;
}

}  // namespace

void join_results(lower::Kernel& kernel) {
  size_t rank = kernel.physical_extents(0).size();
  bool common = true;
  for (size_t i = 1; i < kernel.results.size(); ++i) {
    common = common && kernel.physical_extents(i) == kernel.physical_extents(0);
  }
  if (kernel.results.size() == 1 || !common) {
    kernel.stages = kernel.results;
  } else {
    Func joined = tuple_of(kernel.results, "results", rank);
    if (kernel.overwrites_operand()) {
      kernel.fresh = joined;
      joined = copy_of(joined, rank);
    }
    kernel.stages = {joined};
  }
  size_t result = 0;
  for (Func& stage : kernel.stages) {
    bool first = true;
    for (Halide::OutputImageParam& buffer : stage.output_buffers()) {
      lower::fix_dimensions(buffer, kernel.result_forms[result++], first);
      first = false;
    }
  }
}

}  // namespace ag::schedule
