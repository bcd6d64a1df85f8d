// Schedules as Halide: the templates, by name, of each target family.
#pragma once

#include "codegen/lower/kernel.h"
#include "codegen/schedule/schedule.h"

namespace ag::schedule {

using Template = void (*)(lower::Kernel&, const Schedule&);

struct Row {
  std::string_view name;
  Template apply;
};

// The templates of a family.
std::span<const Row> templates_of(TargetFamily family);

// Schedules the kernel. Throws CompileError for an unknown template or impossible parameters.
void apply(lower::Kernel& kernel, const Schedule& schedule);

// A parameter as Halide's factors want it.
inline int value(const Schedule& schedule, std::string_view parameter) {
  return static_cast<int>(schedule.at(parameter));
}

// The templates of cpu/.
void attention(lower::Kernel& kernel, const Schedule& schedule);
void contraction_plain(lower::Kernel& kernel, const Schedule& schedule);
void conv_backward_weights(lower::Kernel& kernel, const Schedule& schedule);
void conv_depthwise_weights(lower::Kernel& kernel, const Schedule& schedule);
void conv_direct(lower::Kernel& kernel, const Schedule& schedule);
void conv_prologue(lower::Kernel& kernel, const Schedule& schedule);
void conv_winograd(lower::Kernel& kernel, const Schedule& schedule);
void conv_winograd_weights(lower::Kernel& kernel, const Schedule& schedule);
void matmul(lower::Kernel& kernel, const Schedule& schedule);
void matmul_deep(lower::Kernel& kernel, const Schedule& schedule);
void matvec(lower::Kernel& kernel, const Schedule& schedule);
void pointwise(lower::Kernel& kernel, const Schedule& schedule);
void reduction(lower::Kernel& kernel, const Schedule& schedule);
void winograd_transform(lower::Kernel& kernel, const Schedule& schedule);

// Lowers, schedules and compiles: what the kernel worker runs.
KernelResult compile_kernel(const KernelRequest& request);

}  // namespace ag::schedule
