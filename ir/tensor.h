// Values as the builder functions of ir/ops, the gradient rules and the DSL see them.
#pragma once

#include <source_location>
#include <variant>

#include "ir/graph.h"

namespace ag {

// A value of a graph under construction. Cheap to copy; refers to the graph it was made in.
class Tensor {
 public:
  Tensor() = default;
  Tensor(Graph& graph, Value value) : graph_(&graph), value_(value) {}

  Graph& graph() const { return *graph_; }
  Value value() const { return value_; }
  bool valid() const { return graph_ != nullptr; }
  const TensorType& type() const { return graph_->type(value_); }
  const Shape& shape() const { return type().shape; }
  DType dtype() const { return type().dtype; }
  int rank() const { return type().rank(); }
  // Extent of an axis; negative axes count from the back.
  int64_t extent(int axis) const { return shape()[axis < 0 ? axis + rank() : axis]; }
  int64_t batch() const { return extent(0); }
  int64_t channels() const { return extent(1); }

 private:
  Graph* graph_ = nullptr;
  Value value_;
};

// An argument of a builder function: a tensor or a scalar, and the line of the caller, captured by
// the implicit conversion at the call.
struct Operand {
  Operand(Tensor tensor, std::source_location where = std::source_location::current())
      : tensor(tensor), where(where) {}
  Operand(double scalar, std::source_location where = std::source_location::current())
      : scalar(scalar), where(where) {}

  Tensor tensor;  // invalid when this is a scalar
  double scalar = 0;
  std::source_location where;
};

// Appends `op` to the graph of the operands, located at `where`.
std::vector<Tensor> apply_all(const OpDef& op, std::span<const Tensor> operands,
                              Attributes attributes, const std::source_location& where);
Tensor apply(const OpDef& op, std::initializer_list<Tensor> operands, Attributes attributes,
             const std::source_location& where);
// The same for ops without operands.
Tensor apply_leafless(Graph& graph, const OpDef& op, Attributes attributes,
                      const std::source_location& where);

// Brings the operands of an elementwise op to one type: scalars become `full` of the other's type,
// shapes are broadcast by NumPy's rule. Throws CompileError when the shapes do not fit or the
// dtypes differ, or when all operands are scalars.
std::vector<Tensor> broadcast_together(const OpDef& op, std::span<const Operand> operands);

}  // namespace ag
