// A custom lowering pass for kernels of two stages that are shared out alike.
#pragma once

#include <Halide.h>

namespace ag::schedule {

// Makes the parallel loops of two Funcs one, where they have as many tasks:
//
//   produce a { parallel for t: A(t) }
//   produce b { parallel for t: B(t) }
//
// becomes
//
//   produce b { parallel for t: A(t)  B(t) }
//
// The schedule vouches for it that B(t) reads of `a` what A(t) stores, and no other task's. Where
// the loops are not of this form they stay apart.
class JoinTasks : public Halide::Internal::IRMutator {
 public:
  JoinTasks(std::string first, std::string second)
      : first_(std::move(first)), second_(std::move(second)) {}

  using Halide::Internal::IRMutator::mutate;
  Halide::Internal::Stmt mutate(const Halide::Internal::Stmt& pipeline) override;

 private:
  std::string first_, second_;  // names of Funcs
};

}  // namespace ag::schedule
