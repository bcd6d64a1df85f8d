#include "tests/op_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/philox.h"
#include "passes/autograd.h"

namespace ag {
namespace {

constexpr PhiloxKey kCaseKey{20251122, 3};

// The shuffled numbers 0 … count - 1.
std::vector<int64_t> shuffled(int64_t count, uint32_t stream) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) {
    uint64_t word = philox4x32(kCaseKey, {static_cast<uint32_t>(i), stream, 0, 0})[0];
    std::swap(order[i], order[word % static_cast<uint64_t>(i + 1)]);
  }
  return order;
}

}  // namespace

Tensor CaseBuilder::bind(ReferenceTensor tensor, const OpDef& kind) {
  std::string name = "x" + std::to_string(operands_++);
  Value leaf = graph_.add_leaf(kind, name, tensor_type(tensor.dtype, tensor.shape), {});
  bindings_.emplace(name, std::move(tensor));
  return {graph_, leaf};
}

ReferenceTensor CaseBuilder::drawn(DType dtype, Shape shape, double low, double high) const {
  ReferenceTensor tensor(dtype, std::move(shape));
  std::vector<int64_t> order = shuffled(tensor.count(), static_cast<uint32_t>(operands_));
  // Operands of one case stand between each other's values.
  double offset = 0.31 + 0.17 * operands_;
  double step = (high - low) / static_cast<double>(tensor.count() + 1);
  double bottom = is_signed_integer(dtype) ? low : dtype == DType::boolean ? 0 : std::max(low, 0.0);
  int64_t choices = dtype == DType::boolean ? 2 : static_cast<int64_t>(high - bottom) + 1;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    double spread = low + step * (static_cast<double>(order[i]) + offset);
    if (tensor.is_floating())
      tensor.floats[i] = round_to(dtype, round_to(DType::f32, spread));
    else
      tensor.integers[i] = static_cast<int64_t>(bottom) + order[i] % choices;
  }
  return tensor;
}

Tensor CaseBuilder::operand(Shape shape, double low, double high) {
  return operand_of(dtype_, std::move(shape), low, high);
}

Tensor CaseBuilder::operand_of(DType dtype, Shape shape, double low, double high) {
  return bind(drawn(dtype, std::move(shape), low, high), ops::input);
}

Tensor CaseBuilder::stored(const OpDef& kind, Shape shape) {
  return bind(drawn(dtype_, std::move(shape), -2, 2), kind);
}

Tensor CaseBuilder::values(Shape shape, const std::vector<double>& elements) {
  return values_of(dtype_, std::move(shape), elements);
}

Tensor CaseBuilder::values_of(DType dtype, Shape shape, const std::vector<double>& elements) {
  ReferenceTensor tensor(dtype, std::move(shape));
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, elements.at(i));
  return bind(std::move(tensor), ops::input);
}

Tensor CaseBuilder::indices(Shape shape, int64_t low, int64_t high, DType dtype) {
  return operand_of(dtype, std::move(shape), static_cast<double>(low), static_cast<double>(high));
}

std::span<const OpCase> op_cases() {
  static const OpCases table = [] {
    OpCases rows;
    for (auto add : {add_leaf_cases, add_pointwise_cases, add_activation_cases, add_view_cases,
                     add_reduce_cases, add_conv_cases, add_matmul_cases, add_window_cases,
                     add_norm_cases, add_loss_cases, add_index_cases, add_random_cases})
      add(rows);
    return rows;
  }();
  return table;
}

BuiltCase build_case(const OpCase& row, DType dtype) {
  BuiltCase built{Graph(row.name()), {}};
  CaseBuilder builder(built.graph, built.bindings, dtype);
  row.build(builder);
  return built;
}

BuiltCase build_loss_case(const OpCase& row, DType dtype) {
  BuiltCase built = build_case(row, dtype);
  Graph& graph = built.graph;
  Tensor loss;
  std::vector<Output> results = graph.outputs();
  for (const Output& result : results) {
    TensorType type = graph.type(result.value).with_layout({});
    if (!is_float(type.dtype)) continue;
    ReferenceTensor values(type.dtype, type.shape);
    for (int64_t i = 0; i < values.count(); ++i)
      values.floats[i] = round_to(DType::bf16, std::sin(1.1 * static_cast<double>(i) + 0.4));
    Tensor dy = input(graph, "d" + result.name, type);
    built.bindings.emplace("d" + result.name, std::move(values));
    Tensor product = cast(dy, DType::f64) * cast(Tensor(graph, result.value), DType::f64);
    std::vector<int> axes(product.rank());
    std::iota(axes.begin(), axes.end(), 0);
    Tensor term = reduce_sum(product, axes);
    loss = loss.valid() ? loss + term : term;
  }
  if (loss.valid()) graph.add_output("loss", loss.value());
  return built;
}

std::vector<std::string> differentiable_operands(const BuiltCase& built) {
  std::vector<std::string> operands;
  if (built.graph.outputs().back().name != "loss") return operands;
  for (const auto& [name, value] : built.bindings) {
    if (name[0] == 'x' && value.is_floating()) operands.push_back(name);
  }
  return operands;
}

BuiltCase build_gradient_case(const OpCase& row, DType dtype) {
  BuiltCase built = build_loss_case(row, dtype);
  std::vector<std::string> operands = differentiable_operands(built);
  if (!operands.empty())
    built.graph = grad(built.graph, {.of = "loss", .with_respect_to = operands});
  return built;
}

bool is_wanted(const OpCase& row) {
  const char* part = std::getenv("ARGENT_OP_CASES");
  return !part || row.name().find(part) != std::string::npos;
}

}  // namespace ag
