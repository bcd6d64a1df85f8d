// The batched matrix product.

#include "ir/ops/contract.h"

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;

// Position in an operand: batch axes as in the result, then row and column, swapped if transposed.
Coordinates matrix_position(const Coordinates& batch, const Expr& row, const Expr& column,
                            bool transposed) {
  Coordinates position = batch;
  position.push_back(transposed ? column : row);
  position.push_back(transposed ? row : column);
  return position;
}

void lower_matmul(LowerContext& c) {
  const int rank = c.result_type().rank();
  const bool transpose_a = c.attributes().flag("transpose_a");
  const bool transpose_b = c.attributes().flag("transpose_b");
  const int64_t depth = c.operand_type(0).shape[rank - (transpose_a ? 2 : 1)];
  Contraction contraction = start_contraction(c, depth, {});
  const std::vector<Halide::Var> variables = logical_variables(rank);
  const Coordinates at(variables.rbegin(), variables.rend());
  const Coordinates batch(at.begin(), at.end() - 2);
  const Expr k = contraction.channel;
  const Expr a = c.operand(0, matrix_position(batch, at[rank - 2], k, transpose_a));
  const Expr b = c.operand(1, matrix_position(batch, k, at[rank - 1], transpose_b));
  finish_contraction(c, std::move(contraction), b * a);
}

constexpr Lowering kContractLowerings[] = {{&ops::matmul, lower_matmul}};

}  // namespace

std::span<const Lowering> contract_lowerings() { return kContractLowerings; }

}  // namespace ag::lower
