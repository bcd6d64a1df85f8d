#include "codegen/schedule/choose.h"

#include <algorithm>

#include "codegen/schedule/choose_contraction.h"
#include "codegen/schedule/cuda/choose.h"
#include "ir/ops/kernel.h"

namespace ag {
namespace {

struct Choice {
  std::string_view kernel_class;
  Schedule (*choose)(const KernelView&);
};

// Kernels of less work than this stay on one thread: handing out a task costs microseconds.
constexpr int64_t kSerialElements = 16 * 1024;

int64_t largest_operand(const KernelView& kernel) {
  int64_t elements = 0;
  for (const BufferForm& form : kernel.operands) elements = std::max(elements, form.type.count());
  for (const BufferForm& form : kernel.results) elements = std::max(elements, form.type.count());
  return elements;
}

Schedule choose_pointwise(const KernelView& kernel) {
  return {"pointwise", {{"parallel", largest_operand(kernel) >= kSerialElements}}};
}

// Winograd's weights, where their convolution gave them a layout.
Schedule choose_winograd_transform(const KernelView& kernel) {
  const TensorType& result = kernel.results[0].type;
  const LayoutDim innermost = result.layout.dims(result.rank()).back();
  const bool parallel = largest_operand(kernel) >= kSerialElements;
  const bool blocked = kernel.results.size() == 1 && innermost.axis == 0 && innermost.block > 1;
  return {blocked ? "winograd_transform" : "pointwise", {{"parallel", parallel}}};
}

Schedule choose_reduction(const KernelView& kernel) {
  return {"reduction", {{"parallel", largest_operand(kernel) >= kSerialElements}}};
}

constexpr Choice kCpuChoices[] = {
    {"attention", choose_attention},
    {"conv", choose_conv},
    {"matmul", choose_matmul},
    {"pointwise", choose_pointwise},
    {"reduction", choose_reduction},
    {"window", choose_pointwise},
    {"gather", choose_pointwise},
    {"winograd", choose_winograd},
    {"winograd_backward", choose_winograd_weights},
    {"winograd_transform", choose_winograd_transform},
};

Schedule choose_cpu_schedule(const KernelView& kernel) {
  for (const Choice& choice : kCpuChoices) {
    if (choice.kernel_class == kernel.kernel_class) return choice.choose(kernel);
  }
  return choose_reduction(kernel);
}

}  // namespace

const BufferForm* KernelView::form_of(Value operand) const {
  const std::vector<Value> leaves = body_leaves(body);
  const auto leaf = std::find(leaves.begin(), leaves.end(), operand);
  return leaf == leaves.end() ? nullptr : &operands[static_cast<size_t>(leaf - leaves.begin())];
}

bool has_schedule(const Target& target, std::string_view kernel_class) {
  if (target.is_cuda()) return has_cuda_schedule(kernel_class);
  return std::any_of(std::begin(kCpuChoices), std::end(kCpuChoices),
                     [&](const Choice& choice) { return choice.kernel_class == kernel_class; });
}

Schedule choose_schedule(const KernelView& kernel) {
  return kernel.target.is_cuda() ? choose_cuda_schedule(kernel) : choose_cpu_schedule(kernel);
}

}  // namespace ag
