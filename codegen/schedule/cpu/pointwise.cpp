// One sweep over the results, everything inlined: elementwise chains, views, gathers, optimizer
// updates.
//
// Where a concat joins its operands along the innermost axis, the loop over vectors is cut where
// one operand ends and the next begins, and each part is code of its own: which operand a vector
// reads is then known, else it would be every operand, element by element.
//
// Parameters: parallel (0 or 1).

#include <numeric>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/loops.h"
#include "ir/ops/view.h"

namespace ag::schedule {
namespace {

constexpr int64_t kMostParts = 8;

// Elements along the innermost axis of a result within which no concat changes operands: the
// largest stretch that fits all of them.
int64_t stretch_of_operand(const Graph& body, const Shape& shape) {
  int64_t stretch = shape.back();
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    const int last = static_cast<int>(shape.size()) - 1;
    if (!node.is(ops::concat) || node.types[0].shape != shape ||
        node.attributes.integer("axis") != last)
      continue;
    for (Value part : node.operands) stretch = std::gcd(stretch, body.type(part).shape.back());
  }
  return stretch;
}

void cut_at_concats(const lower::Kernel& kernel, Halide::Func stage, size_t index) {
  const TensorType& type = kernel.result_type(index);
  if (type.rank() < 2 || !type.layout.is_row_major()) return;
  const int64_t extent = type.shape.back(), stretch = stretch_of_operand(kernel.body, type.shape);
  const int lanes = vector_lanes(kernel.target, stage.types(), extent);
  if (lanes < 2 || stretch == extent || stretch % lanes != 0 || extent / stretch > kMostParts)
    return;
  const Halide::Var vectors("vectors"), part("part");
  stage.split(vectors, part, vectors, static_cast<int>(stretch / lanes)).unroll(part);
}

}  // namespace

void pointwise(lower::Kernel& kernel, const Schedule& schedule) {
  join_results(kernel);
  for (size_t i = 0; i < kernel.stages.size(); ++i) {
    schedule_stage(kernel, i, schedule.at("parallel") != 0);
    cut_at_concats(kernel, kernel.stages[i], i);
  }
  for (lower::Reduction& reduction : kernel.reductions) reduction.func.compute_root();
}

}  // namespace ag::schedule
