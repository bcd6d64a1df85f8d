#include "codegen/plan/moves.h"

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

}  // namespace

std::vector<Move> moves_of(const ProgramPlan& plan, const Entry& entry) {
  std::map<std::string, const KernelRequest*> moving;
  for (const KernelRequest& request : plan.requests) {
    if (only_moves(parse(request.text, request.symbol))) moving[request.symbol] = &request;
  }
  std::vector<Move> moves;
  for (const Step& step : entry.steps) {
    if (step.routine == Routine::copy) moves.push_back({"copy", step.location, "", "", step.bytes});
    const auto kernel = moving.find(step.kernel);
    if (kernel == moving.end()) continue;
    moves.push_back({step.name, step.location, text_of(kernel->second->operands),
                     text_of(kernel->second->results), step.bytes});
  }
  return moves;
}

}  // namespace ag::plan
