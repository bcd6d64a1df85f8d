#include "codegen/schedule/apply.h"

#include <fmt/format.h>

namespace ag::schedule {
namespace {

constexpr Row kCpuTemplates[] = {
    {"contraction_plain", contraction_plain},
    {"conv_backward_weights", conv_backward_weights},
    {"conv_depthwise_weights", conv_depthwise_weights},
    {"conv_direct", conv_direct},
    {"conv_prologue", conv_prologue},
    {"conv_winograd", conv_winograd},
    {"matmul", matmul},
    {"matvec", matvec},
    {"pointwise", pointwise},
    {"reduction", reduction},
};

}  // namespace

std::span<const Row> cpu_templates() { return kCpuTemplates; }

void apply(lower::Kernel& kernel, const Schedule& schedule) {
  for (const Row& row : cpu_templates()) {
    if (row.name == schedule.name) return row.apply(kernel, schedule);
  }
  std::string known;
  for (const Row& row : cpu_templates())
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  throw CompileError(fmt::format("schedule: no template '{}'", schedule.name))
      .help("templates: " + known);
}

}  // namespace ag::schedule
