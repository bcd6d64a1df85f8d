#include "codegen/schedule/apply.h"

#include <fmt/format.h>

#include "codegen/schedule/cuda/templates.h"

namespace ag::schedule {
namespace {

constexpr Row kCpuTemplates[] = {
    {"attention", attention},
    {"contraction_plain", contraction_plain},
    {"conv_backward_weights", conv_backward_weights},
    {"conv_depthwise_weights", conv_depthwise_weights},
    {"conv_direct", conv_direct},
    {"conv_prologue", conv_prologue},
    {"conv_winograd", conv_winograd},
    {"conv_winograd_weights", conv_winograd_weights},
    {"matmul", matmul},
    {"matmul_deep", matmul_deep},
    {"matvec", matvec},
    {"pointwise", pointwise},
    {"reduction", reduction},
    {"winograd_transform", winograd_transform},
};

constexpr Row kCudaTemplates[] = {
    {"contraction", cuda::contraction}, {"contraction_plain", cuda::contraction_plain},
    {"matvec", cuda::matvec},           {"pointwise", cuda::pointwise},
    {"reduction", cuda::reduction},
};

}  // namespace

std::span<const Row> templates_of(TargetFamily family) {
  if (family == TargetFamily::cuda) return kCudaTemplates;
  return kCpuTemplates;
}

void apply(lower::Kernel& kernel, const Schedule& schedule) {
  const std::span<const Row> rows = templates_of(kernel.target.family);
  for (const Row& row : rows) {
    if (row.name == schedule.name) return row.apply(kernel, schedule);
  }
  std::string known;
  for (const Row& row : rows) known += (known.empty() ? "" : ", ") + std::string(row.name);
  throw CompileError(
      fmt::format("schedule: no template '{}' for {}", schedule.name, kernel.target.name))
      .help("templates: " + known);
}

}  // namespace ag::schedule
