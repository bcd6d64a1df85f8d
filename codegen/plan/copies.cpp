#include "codegen/plan/copies.h"

#include <algorithm>
#include <set>

#include "ir/ops/view.h"
#include "ir/parse.h"

namespace ag::plan {
namespace {

constexpr const OpDef* kMoving[] = {&ops::broadcast, &ops::reshape,  &ops::transpose,
                                    &ops::slice,     &ops::pad,      &ops::concat,
                                    &ops::reverse,   &ops::to_layout};

bool only_moves(const Graph& body) {
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    const bool moves =
        node.op->kind == OpKind::leaf ||
        std::find(std::begin(kMoving), std::end(kMoving), node.op) != std::end(kMoving);
    if (!moves) return false;
  }
  return true;
}

}  // namespace

std::vector<Copy> copies_of(const ProgramPlan& plan, const Entry& entry) {
  std::set<std::string> moving;  // symbols
  for (const KernelRequest& request : plan.requests) {
    if (only_moves(parse(request.text, request.symbol + ".ag"))) moving.insert(request.symbol);
  }
  std::vector<Copy> copies;
  for (const Step& step : entry.steps) {
    if (step.routine != Routine::copy && !moving.contains(step.kernel)) continue;
    const bool at_edge = std::any_of(step.buffers.begin(), step.buffers.end(), [&](int buffer) {
      const Storage storage = plan.program.buffers[buffer].storage;
      return storage == Storage::input || storage == Storage::output;
    });
    copies.push_back({&step, at_edge});
  }
  return copies;
}

}  // namespace ag::plan
