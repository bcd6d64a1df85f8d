// How each op computes: one function per op, in Halide, in logical coordinates only.
#pragma once

#include <functional>

#include "codegen/lower/kernel.h"

namespace ag::lower {

using Coordinates = std::vector<Halide::Expr>;  // logical order, outermost first

// What a lowering sees.
struct LowerContext {
  Kernel& kernel;
  int index;  // of the node in the body

  const Node& node() const { return kernel.body.node(index); }
  const Attributes& attributes() const { return node().attributes; }
  const TensorType& operand_type(size_t i) const { return kernel.body.type(node().operands[i]); }
  const TensorType& result_type(size_t i = 0) const { return node().types[i]; }
  // Operand i at a logical position.
  Halide::Expr operand(size_t i, const Coordinates& at) const;
  // Operand i at a position that may lie up to low[a] before and high[a] behind axis a, where it is
  // zero. Reads a halo directly when the operand's buffer has one that is wide enough. With
  // `rarely_outside` loops have code of their own where no test is needed.
  Halide::Expr operand_or_zero(size_t i, const Coordinates& at, std::span<const int64_t> low,
                               std::span<const int64_t> high, bool rarely_outside = false) const;
  // Number of stored elements of operand i along an axis, padding lanes included where it is a
  // leaf.
  int64_t stored_extent(size_t i, int axis) const;
  // The body's leaf behind operand i through ops that keep positions, or -1.
  int operand_leaf(size_t i) const;
};

using LowerFunction = void (*)(LowerContext&);

struct Lowering {
  const OpDef* op;
  LowerFunction lower;
};

// All lowerings; composites have none (they are expanded before).
std::span<const Lowering> all_lowerings();

// Defines result `i` of the node as expression(position) over its whole shape.
void define(LowerContext& c, size_t i,
            const std::function<Halide::Expr(const Coordinates&)>& expression);

// The families.
std::span<const Lowering> leaf_lowerings();
std::span<const Lowering> pointwise_lowerings();
std::span<const Lowering> view_lowerings();
std::span<const Lowering> reduce_lowerings();
std::span<const Lowering> window_lowerings();
std::span<const Lowering> winograd_lowerings();
std::span<const Lowering> winograd_backward_lowerings();
std::span<const Lowering> winograd_weights_lowerings();
std::span<const Lowering> index_lowerings();
std::span<const Lowering> random_lowerings();
std::span<const Lowering> conv_lowerings();
std::span<const Lowering> contract_lowerings();

// Starts the contraction of c's node: names, and loops over `channels` and a window of `taps`
// (outermost axis first).
Contraction start_contraction(const LowerContext& c, int64_t channels, const Shape& taps);
// Defines the node's value as the sum of `product`, which reads the contraction's loop variables
// and the logical variables of the result. A bias that is added to it, and nothing else done with
// it, is what the sum starts from: registers that are written anyway, and one addition less.
void finish_contraction(LowerContext& c, Contraction contraction, const Halide::Expr& product);

// What a sum reads of a value of the body: where a contraction's kernel stores the value, what it
// has stored, so that the contraction is computed once.
Halide::Func stored_operand(Kernel& kernel, Value value);

// Lowers reduce_sum nodes over one domain as one tuple-valued reduction.
void lower_reductions(Kernel& kernel, std::span<const int> nodes);

}  // namespace ag::lower
