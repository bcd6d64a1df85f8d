#include "codegen/nvptx/gemm_steps.h"

#include "codegen/nvptx/elementwise.h"
#include "ir/internal_error.h"
#include "ir/ops/pointwise.h"

namespace ag::nvptx {

using llvm::Value;

std::vector<Value*> values_of(DeviceKernel& kernel, const GemmView& view,
                              std::span<const GemmStep> steps, Value* sum,
                              const std::function<Value*(const GemmStep&)>& load) {
  std::vector<Value*> values;
  for (const GemmStep& step : steps) {
    const Node& node = view.body.node(step.node);
    std::vector<Value*> operands;
    for (const int operand : step.operands) operands.push_back(values[operand]);
    if (step.kind == GemmStep::Kind::sum) {
      values.push_back(sum);
    } else if (step.kind == GemmStep::Kind::load) {
      values.push_back(load(step));
    } else if (node.is(ops::cast)) {
      const DType to = node.types[0].dtype;
      values.push_back(kernel.computed(kernel.stored(operands[0], to), to));
    } else if (operands.empty()) {
      values.push_back(kernel.real(node.attributes.number("value")));
    } else {
      values.push_back(elementwise(kernel.at, *node.op, operands));
      if (!values.back()) internal_error("gemm: no instructions for {}", node.op->name);
    }
  }
  return values;
}

}  // namespace ag::nvptx
