// A custom lowering pass for vectors that hold several narrow groups of channels.
#pragma once

#include <Halide.h>

namespace ag::schedule {

// Replaces loads of every fourth element of an aligned vector (one channel of each group of four)
// by a load of the whole vector and a shuffle:
//
//   in[ramp(16*x + 1, 4, 4)]  becomes  shuffle(in[ramp(16*x, 1, 16)], 1, 5, 9, 13)
//
// Halide would load such elements one by one. The vectors lie inside the channel blocks of a
// buffer, so nothing is read that is not there.
class LaneLoads : public Halide::Internal::IRMutator {
 public:
  explicit LaneLoads(int lanes) : lanes_(lanes) {}

 private:
  using Halide::Internal::IRMutator::visit;
  Halide::Expr visit(const Halide::Internal::Let* let) override;
  Halide::Internal::Stmt visit(const Halide::Internal::LetStmt* let) override;
  Halide::Expr visit(const Halide::Internal::Load* load) override;

  template <class Node, class Result>
  Result visit_let(const Node* let);

  int lanes_;  // of a vector register
  Halide::Internal::Scope<Halide::Internal::ModulusRemainder> alignment_;
};

}  // namespace ag::schedule
