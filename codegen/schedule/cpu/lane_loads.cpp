#include "codegen/schedule/cpu/lane_loads.h"

namespace ag::schedule {

using namespace Halide::Internal;
using Halide::Expr;

namespace {

// Wider groups than this cross the 128-bit lanes of a register: LLVM shuffles them badly.
constexpr int64_t kGroup = 4;

}  // namespace

template <class Node, class Result>
Result LaneLoads::visit_let(const Node* let) {
  const Expr value = mutate(let->value);
  const bool is_index = value.type() == Halide::Int(32);
  const ModulusRemainder alignment =
      is_index ? modulus_remainder(value, alignment_) : ModulusRemainder();
  ScopedBinding<ModulusRemainder> binding(is_index, alignment_, let->name, alignment);
  return Node::make(let->name, value, mutate(let->body));
}

Expr LaneLoads::visit(const Let* let) { return visit_let<Let, Expr>(let); }
Stmt LaneLoads::visit(const LetStmt* let) { return visit_let<LetStmt, Stmt>(let); }

Expr LaneLoads::visit(const Load* load) {
  const Ramp* ramp = load->index.as<Ramp>();
  const std::optional<int64_t> stride = ramp ? as_const_int(ramp->stride) : std::nullopt;
  const bool applies = stride && *stride == kGroup && ramp->lanes * kGroup == lanes_ &&
                       ramp->base.type().is_scalar() && is_const_one(load->predicate);
  if (!applies) return IRMutator::visit(load);
  const ModulusRemainder alignment = modulus_remainder(ramp->base, alignment_);
  const int64_t first = alignment.remainder % lanes_;
  if (alignment.modulus % lanes_ != 0 || first >= kGroup) return IRMutator::visit(load);
  std::vector<int> picked;
  for (int lane = 0; lane < ramp->lanes; ++lane) {
    picked.push_back(static_cast<int>(first + lane * kGroup));
  }
  const Expr base = simplify(ramp->base - static_cast<int>(first));
  const Expr whole =
      Load::make(load->type.with_lanes(lanes_), load->name, Ramp::make(base, 1, lanes_),
                 load->image, load->param, const_true(lanes_), ModulusRemainder(lanes_, 0));
  return Shuffle::make({whole}, picked);
}

}  // namespace ag::schedule
