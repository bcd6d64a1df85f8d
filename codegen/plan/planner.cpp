#include "codegen/plan/planner.h"

#include "codegen/plan/device_memory.h"
#include "codegen/plan/entry_planner.h"

namespace ag::plan {

ProgramPlan plan_program(std::string name, const Target& target,
                         std::span<const EntryGraph> entries) {
  ProgramPlan plan;
  plan.program.name = std::move(name);
  plan.program.target = target.name;
  SharedPlan shared(plan, target, entries);
  for (const EntryGraph& entry : entries) EntryPlanner(shared, entry).run();
  if (target.is_cuda()) place_on_device(plan);
  return plan;
}

}  // namespace ag::plan
