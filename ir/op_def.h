// The record of an op: everything the compiler knows about it, in one place.
#pragma once

#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "ir/attributes.h"
#include "ir/reference_tensor.h"

namespace ag {

class Graph;
class Tensor;
struct Node;
struct OpDef;

enum class OpKind {
  leaf,       // input, parameter, state, constant: no operands, value from outside
  primitive,  // semantics of its own
  composite,  // has an expansion into primitives
  kernel,     // made by `fuse`: a body graph with an anchor
};

struct Arity {
  int min = 0;
  int max = 0;
};
inline constexpr int kAnyNumber = std::numeric_limits<int>::max();

// What a shape rule sees. Defined in ir/infer.h.
struct InferContext;

// What the reference semantics see: floats in double, integers in 64 bit. Results are allocated and
// zero; the interpreter rounds integers to their width afterwards.
struct EvalContext {
  std::span<const ReferenceTensor* const> operands;
  const Attributes& attributes;
  std::span<ReferenceTensor> results;

  const ReferenceTensor& operand(size_t i) const { return *operands[i]; }
  ReferenceTensor& result(size_t i = 0) const { return results[i]; }
};

// What an expansion sees: operands as tensors of the graph it appends to.
struct ExpandContext {
  std::span<const Tensor> operands;
  const Attributes& attributes;
  std::span<const TensorType> types;  // of the results
};

// What a gradient rule sees. Rules append to the graph and hand back operand gradients with dx();
// gradients of several uses are summed by autograd. Defined with Tensor, in ir/gradient.h.
struct GradContext;

using InferFunction = std::vector<TensorType> (*)(const InferContext&);
using EvalFunction = void (*)(const EvalContext&);
using ExpandFunction = std::vector<Tensor> (*)(const ExpandContext&);
using GradFunction = void (*)(GradContext&);
// Arithmetic operations of one node, a multiply-add counting as two.
using FlopsFunction = int64_t (*)(const Node&, std::span<const TensorType> operands);
// Whether zero padding lanes of the operands give zero padding lanes of the result.
using PreservesZeroFunction = bool (*)(const Attributes&);

struct OpDef {
  std::string_view name;
  OpKind kind = OpKind::primitive;
  Arity arity;
  std::span<const AttributeSpec> attributes = {};
  InferFunction infer = nullptr;
  EvalFunction eval = nullptr;      // primitives
  ExpandFunction expand = nullptr;  // composites
  GradFunction grad = nullptr;      // null: not differentiable, or through the expansion
  bool differentiable = true;     // false: gradients stop here (comparisons, integers, random bits)
  FlopsFunction flops = nullptr;  // null: one per result element
  PreservesZeroFunction preserves_zero = nullptr;  // null: it does not
  // Pointwise ops: element i of the result depends on elements i of the operands alone.
  bool pointwise = false;

  const AttributeSpec* attribute(std::string_view name) const;
  // The attribute of kind `type` (the declared result type), if the op has one.
  const AttributeSpec* declared_type() const;
};

}  // namespace ag
