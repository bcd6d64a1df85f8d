// From a kernel request to Halide Funcs: leaves, body, borders.

#include <fmt/format.h>

#include <algorithm>

#include "codegen/lower/lowering.h"
#include "ir/internal_error.h"
#include "ir/ops/reduce.h"
#include "ir/parse.h"

namespace ag::lower {
namespace {

using Halide::Expr;
using Halide::Func;

std::vector<int> body_leaves(const Graph& body) {
  std::vector<int> leaves;
  for (int i = 0; i < body.size(); ++i) {
    if (body.node(i).op->kind == OpKind::leaf) leaves.push_back(i);
  }
  return leaves;
}

// Whether any result is stored with padding lanes, so that loops run over positions that do not
// exist logically.
bool has_padded_result(const Kernel& kernel) {
  return std::any_of(
      kernel.result_forms.begin(), kernel.result_forms.end(),
      [](const BufferForm& form) { return form.type.layout.has_padding(form.type.shape); });
}

// Keeps reads for padding lanes inside an operand that has no such lanes itself.
Coordinates clamped(const BufferForm& form, Coordinates at) {
  for (int axis = 0; axis < form.type.rank(); ++axis) {
    bool halo = !form.halo.empty() && (form.halo[axis].low > 0 || form.halo[axis].high > 0);
    bool blocked = form.type.layout.block_of(axis) > 1;
    if (!halo && !blocked)
      at[axis] = Halide::clamp(at[axis], 0, static_cast<int>(form.type.shape[axis] - 1));
  }
  return at;
}

void lower_leaf(Kernel& kernel, int node, size_t operand, bool clamp) {
  const BufferForm& form = kernel.operand_forms[operand];
  int physical_rank = static_cast<int>(form.type.layout.dims(form.type.rank()).size());
  Halide::ImageParam image(buffer_type(kernel.target, form.type.dtype), physical_rank,
                           "in" + std::to_string(operand));
  fix_dimensions(image, form);
  kernel.operands.push_back(image);

  std::vector<Halide::Var> variables = logical_variables(form.type.rank());
  Coordinates at(variables.rbegin(), variables.rend());
  if (clamp) at = clamped(form, at);
  Func value("operand" + std::to_string(operand));
  Expr stored = image(physical_position(form.type, at));
  value(variables) = as_computed(kernel.target, form.type.dtype, stored);
  kernel.values[node] = {value};
}

const Lowering& lowering_of(const OpDef& op) {
  for (const Lowering& lowering : all_lowerings()) {
    if (lowering.op == &op) return lowering;
  }
  throw CompileError(fmt::format("{}: this op has no kernel lowering", op.name))
      .help("expand it into primitives first (pass 'expand'), or run the graph in the interpreter");
}

bool depends_on(const Graph& body, int node, int other) {
  std::vector<bool> reached(body.size(), false);
  reached[other] = true;
  for (int i = other + 1; i <= node; ++i) {
    for (Value operand : body.node(i).operands) reached[i] = reached[i] || reached[operand.node];
  }
  return reached[node];
}

// Sums over the same domain that do not need each other are computed in one sweep.
std::vector<std::vector<int>> reduction_bundles(const Graph& body) {
  std::vector<std::vector<int>> bundles;
  auto fits = [&](const std::vector<int>& bundle, int node) {
    const Node &a = body.node(bundle[0]), &b = body.node(node);
    return body.type(a.operands[0]).shape == body.type(b.operands[0]).shape &&
           a.attributes == b.attributes &&
           std::none_of(bundle.begin(), bundle.end(),
                        [&](int other) { return depends_on(body, node, other); });
  };
  for (int i = 0; i < body.size(); ++i) {
    if (!body.node(i).is(ops::reduce_sum)) continue;
    auto bundle =
        std::find_if(bundles.begin(), bundles.end(), [&](const auto& b) { return fits(b, i); });
    if (bundle == bundles.end())
      bundles.push_back({i});
    else
      bundle->push_back(i);
  }
  return bundles;
}

bool ready(const Kernel& kernel, int node) {
  const auto& operands = kernel.body.node(node).operands;
  return std::all_of(operands.begin(), operands.end(),
                     [&](Value v) { return !kernel.values[v.node].empty(); });
}

void lower_body(Kernel& kernel) {
  std::vector<std::vector<int>> bundles = reduction_bundles(kernel.body);
  auto pending = [&](int node) { return kernel.values[node].empty(); };
  for (bool progress = true; progress;) {
    progress = false;
    for (const std::vector<int>& bundle : bundles) {
      bool all_ready =
          std::all_of(bundle.begin(), bundle.end(), [&](int n) { return ready(kernel, n); });
      if (!pending(bundle[0]) || !all_ready) continue;
      lower_reductions(kernel, bundle);
      progress = true;
    }
    for (int i = 0; i < kernel.body.size(); ++i) {
      if (!pending(i) || !ready(kernel, i) || kernel.body.node(i).is(ops::reduce_sum)) continue;
      kernel.values[i].resize(kernel.body.node(i).types.size());
      LowerContext context{kernel, i};
      lowering_of(*kernel.body.node(i).op).lower(context);
      progress = true;
    }
  }
}

// The result's value at a physical position, zero in padding lanes.
Expr stored_value(const Kernel& kernel, size_t i, std::span<const Expr> physical) {
  const TensorType& type = kernel.result_forms[i].type;
  Value value = kernel.body.outputs()[i].value;
  Coordinates at = logical_position(type, physical);
  Coordinates reversed(at.rbegin(), at.rend());
  Expr result = kernel.values[value.node][value.result](reversed);
  for (int axis = 0; axis < type.rank(); ++axis) {
    if (type.shape[axis] % type.layout.block_of(axis) != 0) {
      result = Halide::select(at[axis] < static_cast<int>(type.shape[axis]), result,
                              Halide::cast(result.type(), 0));
    }
  }
  return as_stored(kernel.target, type.dtype, result);
}

// Result i as a Func in physical coordinates; its value has been lowered.
Func lower_result(Kernel& kernel, size_t i) {
  if (kernel.results[i].defined()) return kernel.results[i];
  int rank = static_cast<int>(kernel.physical_extents(i).size());
  std::vector<Halide::Var> variables;
  for (int d = 0; d < rank; ++d) variables.push_back(Kernel::physical(d));
  Coordinates at(variables.begin(), variables.end());
  Func result("out" + std::to_string(i));
  result(variables) = stored_value(kernel, i, at);
  return kernel.results[i] = result;
}

}  // namespace

Kernel lower(const KernelRequest& request) {
  Kernel kernel;
  kernel.body = parse(request.text, request.symbol + ".ag");
  kernel.operand_forms = request.operands;
  kernel.result_forms = request.results;
  kernel.in_place = request.in_place;
  kernel.in_place.resize(request.results.size(), -1);
  kernel.target = find_target(request.target);
  kernel.values.resize(kernel.body.size());
  std::vector<int> leaves = body_leaves(kernel.body);
  if (leaves.size() != request.operands.size() ||
      kernel.body.outputs().size() != request.results.size()) {
    internal_error("kernel {}: {} leaves and {} outputs for {} operands and {} results",
                   request.symbol, leaves.size(), kernel.body.outputs().size(),
                   request.operands.size(), request.results.size());
  }
  bool clamp = has_padded_result(kernel);
  for (size_t i = 0; i < leaves.size(); ++i) lower_leaf(kernel, leaves[i], i, clamp);
  kernel.results.resize(request.results.size());
  lower_body(kernel);
  for (size_t i = 0; i < kernel.results.size(); ++i) lower_result(kernel, i);
  return kernel;
}

Func stored_operand(Kernel& kernel, Value value) {
  const auto& outputs = kernel.body.outputs();
  const auto output = std::find_if(outputs.begin(), outputs.end(),
                                   [&](const Output& o) { return o.value == value; });
  if (kernel.contractions.empty() || output == outputs.end())
    return kernel.values[value.node][value.result];
  const auto i = static_cast<size_t>(output - outputs.begin());
  const TensorType& type = kernel.result_type(i);
  const std::vector<Halide::Var> variables = logical_variables(type.rank());
  const Coordinates at(variables.rbegin(), variables.rend());
  Func stored("stored_" + std::to_string(i));
  const Func result = lower_result(kernel, i);
  stored(variables) = as_computed(kernel.target, type.dtype, result(physical_position(type, at)));
  return stored;
}

Expr LowerContext::operand(size_t i, const Coordinates& at) const {
  Value value = node().operands[i];
  return kernel.values[value.node][value.result](Coordinates(at.rbegin(), at.rend()));
}

int LowerContext::operand_leaf(size_t i) const {
  int source = node().operands[i].node;
  if (kernel.body.node(source).op->kind != OpKind::leaf) return -1;
  std::vector<int> leaves = body_leaves(kernel.body);
  return static_cast<int>(std::find(leaves.begin(), leaves.end(), source) - leaves.begin());
}

int64_t LowerContext::stored_extent(size_t i, int axis) const {
  const int leaf = operand_leaf(i);
  const int64_t extent = operand_type(i).shape[axis];
  if (leaf < 0) return extent;
  const int64_t block = kernel.operand_forms[leaf].type.layout.block_of(axis);
  return (extent + block - 1) / block * block;
}

Expr LowerContext::operand_or_zero(size_t i, const Coordinates& at, std::span<const int64_t> low,
                                   std::span<const int64_t> high, bool rarely_outside) const {
  const TensorType& type = operand_type(i);
  int leaf = operand_leaf(i);
  Coordinates inside = at;
  Expr exists;
  for (int axis = 0; axis < type.rank(); ++axis) {
    BufferForm::Halo halo;
    if (leaf >= 0 && !kernel.operand_forms[leaf].halo.empty())
      halo = kernel.operand_forms[leaf].halo[axis];
    int last = static_cast<int>(type.shape[axis]) - 1;
    if (low[axis] <= halo.low && high[axis] <= halo.high) continue;
    Expr within = at[axis] >= 0 && at[axis] <= last;
    exists = exists.defined() ? exists && within : within;
    inside[axis] = Halide::clamp(at[axis], 0, last);
  }
  const Expr value = operand(i, inside);
  if (!exists.defined()) return value;
  return Halide::select(exists, rarely_outside ? Halide::likely(value) : value,
                        Halide::cast(value.type(), 0));
}

void define(LowerContext& c, size_t i, const std::function<Expr(const Coordinates&)>& expression) {
  std::vector<Halide::Var> variables = logical_variables(c.result_type(i).rank());
  Coordinates at(variables.rbegin(), variables.rend());
  Func value(std::string(c.node().op->name) + "_" + std::to_string(c.index));
  value(variables) = Halide::cast(compute_type(c.result_type(i).dtype), expression(at));
  c.kernel.values[c.index][i] = value;
}

}  // namespace ag::lower
