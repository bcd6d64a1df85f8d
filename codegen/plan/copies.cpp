#include "codegen/plan/copies.h"

#include <algorithm>
#include <map>

#include "codegen/plan/kernel_request.h"
#include "ir/op_def.h"
#include "ir/ops/view.h"
#include "ir/parse.h"

namespace ag::plan {
namespace {

constexpr const OpDef* kViews[] = {&ops::broadcast, &ops::reshape,  &ops::transpose,
                                   &ops::slice,     &ops::pad,      &ops::concat,
                                   &ops::reverse,   &ops::to_layout};

bool only_moves(const Graph& body) {
  for (int i = 0; i < body.size(); ++i) {
    const OpDef* op = body.node(i).op;
    const bool moves = op->kind == OpKind::leaf ||
                       std::find(std::begin(kViews), std::end(kViews), op) != std::end(kViews);
    if (!moves) return false;
  }
  return true;
}

std::string text_of(const std::vector<BufferForm>& forms) {
  return forms.empty() ? "" : form_text(forms[0]);
}

bool at_edge(const Program& program, const Step& step) {
  return std::any_of(step.buffers.begin(), step.buffers.end(), [&](int buffer) {
    const Storage storage = program.buffers[buffer].storage;
    return storage == Storage::input || storage == Storage::output;
  });
}

}  // namespace

std::vector<Copy> copies_of(const ProgramPlan& plan, const Entry& entry) {
  std::map<std::string, const KernelRequest*> moving;
  for (const KernelRequest& request : plan.requests) {
    if (only_moves(parse(request.text, request.symbol))) moving[request.symbol] = &request;
  }
  std::vector<Copy> copies;
  for (const Step& step : entry.steps) {
    const auto kernel = moving.find(step.kernel);
    const bool is_kernel = kernel != moving.end();
    if (!is_kernel && step.routine != Routine::copy) continue;
    copies.push_back({is_kernel ? step.name : "copy", step.location,
                      is_kernel ? text_of(kernel->second->operands) : "",
                      is_kernel ? text_of(kernel->second->results) : "", step.bytes,
                      at_edge(plan.program, step)});
  }
  return copies;
}

}  // namespace ag::plan
