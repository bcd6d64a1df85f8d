// The table of op cases: for every op, small graphs over seeded random operands of odd sizes. The
// reference interpreter, gradients, the text form, compiled kernels and the PyTorch references are
// all tested by walking it (tests/op_cases_test.cpp).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/interpret.h"
#include "ir/tensor.h"

namespace ag {

// What a row's function builds with: inputs x0, x1, … and outputs y0, y1, …
class CaseBuilder {
 public:
  CaseBuilder(Graph& graph, Bindings& bindings, DType dtype)
      : graph_(graph), bindings_(bindings), dtype_(dtype) {}

  Graph& graph() { return graph_; }
  DType dtype() const { return dtype_; }

  // A tensor of the run's dtype. Floats are all distinct, evenly spread over (low, high) and
  // shuffled: none lies on a kink, no two tie. Integers are drawn from [low, high].
  Tensor operand(Shape shape, double low = -2, double high = 2);
  Tensor operand_of(DType dtype, Shape shape, double low = -2, double high = 2);
  // The same with the elements spelled out.
  Tensor values(Shape shape, const std::vector<double>& elements);
  Tensor values_of(DType dtype, Shape shape, const std::vector<double>& elements);
  // Like operand(), but a leaf of another kind: parameter or state.
  Tensor stored(const OpDef& kind, Shape shape);
  Tensor mask(Shape shape) { return operand_of(DType::boolean, std::move(shape), 0, 1); }
  Tensor indices(Shape shape, int64_t low, int64_t high, DType dtype = DType::i32);

  void result(Tensor y) { graph_.add_output("y" + std::to_string(results_++), y.value()); }

 private:
  Tensor bind(ReferenceTensor tensor, const OpDef& kind);
  ReferenceTensor drawn(DType dtype, Shape shape, double low, double high) const;

  Graph& graph_;
  Bindings& bindings_;
  DType dtype_;
  int operands_ = 0, results_ = 0;
};

struct OpCase {
  std::string op;             // the record this row is for; a node of it is in the graph
  std::string label;          // "conv.stride2" is row "stride2" of conv
  std::vector<DType> dtypes;  // runs of compiled code; references are made in f64 (floats) or the
                              // first of these
  std::function<void(CaseBuilder&)> build;
  // False at kinks and for ops whose gradient is not the derivative (stop_gradient, casts that
  // round): central differences do not apply, the PyTorch reference does.
  bool differences = true;

  std::string name() const { return op + "." + label; }
  DType reference_dtype() const { return is_float(dtypes[0]) ? DType::f64 : dtypes[0]; }
};

std::span<const OpCase> op_cases();

struct BuiltCase {
  Graph graph;
  Bindings bindings;
};
BuiltCase build_case(const OpCase& row, DType dtype);

// The case with inputs dy0, dy1, … for its float results and an output loss = Σ y · dy; without
// float results no such output.
BuiltCase build_loss_case(const OpCase& row, DType dtype);
// The same with outputs "grad.x0", … for its float operands.
BuiltCase build_gradient_case(const OpCase& row, DType dtype);
// Operands a loss case is differentiated by; none without a loss.
std::vector<std::string> differentiable_operands(const BuiltCase& built);

// Rows to run: all, or those whose names contain the value of ARGENT_OP_CASES.
bool is_wanted(const OpCase& row);

// Parts of the table, by family.
using OpCases = std::vector<OpCase>;
void add_leaf_cases(OpCases& table);
void add_pointwise_cases(OpCases& table);
void add_activation_cases(OpCases& table);
void add_view_cases(OpCases& table);
void add_reduce_cases(OpCases& table);
void add_conv_cases(OpCases& table);
void add_matmul_cases(OpCases& table);
void add_window_cases(OpCases& table);
void add_norm_cases(OpCases& table);
void add_loss_cases(OpCases& table);
void add_index_cases(OpCases& table);
void add_random_cases(OpCases& table);

inline const std::vector<DType> kFloats{DType::f32, DType::f64, DType::f16, DType::bf16};
// For rows whose op draws 24 random bits, or whose numbers are beyond the halves.
inline const std::vector<DType> kWideFloats{DType::f32, DType::f64};
// The usual numbers; each op has one row at least in all it accepts.
inline const std::vector<DType> kNumbers{DType::f32, DType::f64, DType::f16, DType::bf16,
                                         DType::i32, DType::i64, DType::u8};
inline const std::vector<DType> kIntegers{DType::i32, DType::i64, DType::i16, DType::i8,
                                          DType::u32, DType::u64, DType::u16, DType::u8};
inline const std::vector<DType> kAllNumbers{DType::f32, DType::f64, DType::f16, DType::bf16,
                                            DType::i32, DType::i64, DType::i16, DType::i8,
                                            DType::u32, DType::u64, DType::u16, DType::u8};
inline const std::vector<DType> kAllDTypes{
    DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::i64,    DType::i16,
    DType::i8,  DType::u32, DType::u64, DType::u16,  DType::u8,  DType::boolean};

}  // namespace ag
