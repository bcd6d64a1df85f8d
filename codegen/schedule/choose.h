// Which schedule a kernel gets without tuning. Free of Halide: the planner asks here.
#pragma once

#include <span>

#include "codegen/kernel/request.h"
#include "codegen/schedule/schedule.h"
#include "codegen/target.h"
#include "ir/graph.h"

namespace ag {

// A kernel as the chooser sees it.
struct KernelView {
  const Graph& body;
  std::string_view kernel_class;  // the fused kernel's class: "conv", "reduction", …
  std::span<const BufferForm> operands, results;
  const Target& target;

  // How an operand of the body's nodes is stored; null where the body computes it.
  const BufferForm* form_of(Value operand) const;
};

// Whether the target's family has a table row for a class, rather than what any kernel gets.
bool has_schedule(const Target& target, std::string_view kernel_class);

// The analytical default: good without tuning. Target families have a table each.
Schedule choose_schedule(const KernelView& kernel);

}  // namespace ag
