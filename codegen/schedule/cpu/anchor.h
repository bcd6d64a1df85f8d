// What the templates of contractions share: the contraction, the result it is computed for and that
// result's loops by role.
#pragma once

#include "codegen/lower/kernel.h"

namespace ag::schedule {

// The one contraction of a kernel, in a stage whose positions are those of the contraction.
struct Anchor {
  lower::Contraction& contraction;
  Halide::Func stage;
  int rank;               // of the contraction's result
  int lane_axis;          // logical axis of the stage's innermost physical dimension
  int64_t block;          // extent of that dimension where it is a block; 0: it is a whole axis
  int64_t channel_block;  // loops over channels split by this, 0: no split

  // Physical loop over what a logical axis has outside its blocks; `has` is false for an axis that
  // is one block altogether.
  Halide::Var loop(int axis) const;
  int64_t extent(int axis) const;

  // Loop variable of the contraction (and of all that is in logical coordinates) for an axis.
  Halide::Var logical(int axis) const;

  std::vector<int> dimension_of_axis;  // physical, innermost first; outermost one of the axis
  std::vector<int64_t> extents;        // of physical dimensions, innermost first
};

// Joins the results and bounds their loops. Throws CompileError where the kernel has not the form
// the templates of contractions ask for: one contraction, results that share its positions, stored
// with one vector block innermost. A template that `takes_sums` may find stages of sums of the
// result behind the first.
Anchor find_anchor(lower::Kernel& kernel, std::string_view template_name, bool takes_sums = false);

// The buffer of operand i of the contraction; null when the body computes it.
const BufferForm* operand_form(const lower::Kernel& kernel, const lower::Contraction& contraction,
                               size_t i);

// That buffer's name in the lowered kernel; empty when the body computes the operand.
std::string operand_name(const lower::Kernel& kernel, const lower::Contraction& contraction,
                         size_t i);

// Computes the padded left operand, where the contraction has one, at a loop of `consumer`.
void schedule_padded(const lower::Kernel& kernel, const lower::Contraction& contraction,
                     const Halide::Func& consumer, const Halide::VarOrRVar& at);

// CompileError unless `parameter`'s value divides `extent`.
void require_divides(std::string_view template_name, std::string_view parameter, int64_t value,
                     int64_t extent);

}  // namespace ag::schedule
