// Reductions of rows, and what is computed once a row.
#pragma once

#include <functional>
#include <vector>

#include "codegen/lower/kernel.h"

namespace ag::schedule {

// Where the steps of a row reduction are computed.
using RowPlace = std::function<void(Halide::Func)>;

const Shape& operand_shape(const lower::Kernel& kernel, const lower::Reduction& reduction);

// (index, value) pairs: their order matters.
bool is_arg(const lower::Reduction& reduction);

// Vectorises the pure loop over `variable` of one stage of a Func; returns the loop over vectors.
template <class Stage>
Halide::Var vectorise_kept(Stage stage, const Halide::Var& variable, int lanes, int64_t extent) {
  Halide::Var outer("outer"), lane("lane");
  stage.split(
      variable, outer, lane, lanes,
      extent % lanes == 0 ? Halide::TailStrategy::RoundUp : Halide::TailStrategy::GuardWithIf);
  stage.vectorize(lane);
  return outer;
}

// A row reduction (the innermost axis vanishes): vectors along the row, several accumulators where
// it is long, and at last one step across the lanes. A rest that fills no vector is masked.
void schedule_row(const lower::Kernel& kernel, lower::Reduction& reduction, const RowPlace& place);

// Values of the body that are computed once a row.
struct RowValues {
  std::vector<int> of_elements;  // reduced and used again, as softmax's exponentials are
  std::vector<int> of_rows;      // one per row
};

// Those of rows of a shape, its last axis.
RowValues find_row_values(const lower::Kernel& kernel, const Shape& shape);
void schedule_row_values(lower::Kernel& kernel, const RowValues& values, const RowPlace& place);

}  // namespace ag::schedule
