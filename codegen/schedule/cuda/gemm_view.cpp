#include "codegen/schedule/cuda/gemm_view.h"

#include <algorithm>
#include <map>

#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

using Coordinates = std::vector<Affine>;  // outermost first

bool is_contraction(const Node& node) { return node.is(ops::conv) || node.is(ops::matmul); }

// Digits under construction, with affine functions over them.
class Digits {
 public:
  std::vector<GemmDigit> list;

  // The next digit, inside of those that its index has.
  Affine add(GemmIndex of, int64_t extent) {
    list.push_back({of, extent});
    Affine digit = constant(0);
    digit.factors.back() = 1;
    return digit;
  }
  Affine constant(int64_t number) const { return {std::vector<int64_t>(list.size(), 0), number}; }
};

void add_scaled(Affine& sum, const Affine& other, int64_t scale) {
  sum.factors.resize(std::max(sum.factors.size(), other.factors.size()));
  for (size_t d = 0; d < other.factors.size(); ++d) sum.factors[d] += scale * other.factors[d];
  sum.constant += scale * other.constant;
}

Affine scaled_sum(const Affine& a, int64_t scale, const Affine& b) {
  Affine sum = b;
  add_scaled(sum, a, scale);
  return sum;
}

// A position along an operand's axis, and how it may miss it.
struct Position {
  Affine at;
  int64_t dilation = 1;
  bool may_miss = false;
};

// What a contraction reads and where its result stands.
struct Product {
  std::vector<Position> left, right;  // per axis of the operand
  size_t left_operand = 0, right_operand = 1;
  Coordinates result;
};

Position inside(Affine at) { return {std::move(at), 1, false}; }

Product product_of_matmul(const Node& node, const Shape& left_shape, Digits& digits) {
  const Shape& shape = node.types[0].shape;
  const size_t rank = shape.size();
  const bool swaps_a = node.attributes.flag("transpose_a");
  const bool swaps_b = node.attributes.flag("transpose_b");
  Product product;
  for (size_t axis = 0; axis + 2 < rank; ++axis)
    product.result.push_back(digits.add(GemmIndex::batch, shape[axis]));
  for (const Affine& axis : product.result) {
    product.left.push_back(inside(axis));
    product.right.push_back(inside(axis));
  }
  const Affine row = digits.add(GemmIndex::row, shape[rank - 2]);
  const Affine column = digits.add(GemmIndex::column, shape[rank - 1]);
  const Affine k = digits.add(GemmIndex::depth, left_shape[rank - (swaps_a ? 2 : 1)]);
  product.result.insert(product.result.end(), {row, column});
  product.left.insert(product.left.end(), {inside(swaps_a ? k : row), inside(swaps_a ? row : k)});
  product.right.insert(product.right.end(),
                       {inside(swaps_b ? column : k), inside(swaps_b ? k : column)});
  return product;
}

// An axis of which one tensor holds all groups, group-major.
Affine grouped(bool holds_groups, const Affine& group, int64_t extent, const Affine& within) {
  return holds_groups ? scaled_sum(group, extent, within) : within;
}

// Rows are the filter's outputs, columns images and positions, the depth input channels and taps.
Product product_of_conv(const Node& node, const Shape& lhs, const Shape& rhs, Digits& digits) {
  const ConvSpec spec = ConvSpec::of(node);
  const ConvDims& d = spec.dims;
  const ConvExtents extents(spec, lhs, rhs, node.types[0].shape);
  const ConvReach reach = conv_reach(spec, extents);
  const size_t rank = node.types[0].shape.size();
  const Affine group = digits.add(GemmIndex::batch, spec.groups);
  const Affine output = digits.add(GemmIndex::row, extents.output);
  const Affine image = digits.add(GemmIndex::column, extents.batch);
  Product product{std::vector<Position>(rank), std::vector<Position>(rank), 1, 0,
                  Coordinates(rank)};
  product.result[d.out_batch] = grouped(d.out_group == d.out_batch, group, extents.batch, image);
  product.result[d.out_channel] =
      grouped(d.out_group == d.out_channel, group, extents.output, output);
  for (size_t s = 0; s + 2 < rank; ++s)
    product.result[s + 2] = digits.add(GemmIndex::column, extents.out[s]);
  const Affine input = digits.add(GemmIndex::depth, extents.input);
  product.right[d.lhs_batch] =
      inside(grouped(d.lhs_group == d.lhs_batch, group, extents.batch, image));
  product.right[d.lhs_channel] =
      inside(grouped(d.lhs_group == d.lhs_channel, group, extents.input, input));
  product.left[d.rhs_output] =
      inside(grouped(d.rhs_group == d.rhs_output, group, extents.output, output));
  product.left[d.rhs_input] =
      inside(grouped(d.rhs_group == d.rhs_input, group, extents.input, input));
  for (size_t s = 0; s + 2 < rank; ++s) {
    const Affine tap = digits.add(GemmIndex::depth, extents.rhs[s]);
    product.left[s + 2] = inside(tap);
    Affine at = digits.constant(-spec.low[s]);
    add_scaled(at, product.result[s + 2], spec.stride[s]);
    add_scaled(at, tap, spec.reverse ? -spec.rhs_dilation[s] : spec.rhs_dilation[s]);
    if (spec.reverse) at.constant += (extents.rhs[s] - 1) * spec.rhs_dilation[s];
    const int64_t dilation = spec.lhs_dilation[s];
    product.right[s + 2] = {at, dilation, dilation > 1 || reach.low[s] > 0 || reach.high[s] > 0};
  }
  return product;
}

std::vector<int64_t> strides_of(const BufferForm& form) {
  if (!form.strides.empty()) return form.strides;
  std::vector<int64_t> strides(form.type.shape.size(), 1);
  for (size_t d = strides.size(); d-- > 1;) strides[d - 1] = strides[d] * form.type.shape[d];
  return strides;
}

bool is_number(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

GemmAccess access_of(int parameter, const BufferForm& form, const std::vector<Position>& at) {
  const std::vector<int64_t> strides = strides_of(form);
  GemmAccess access{parameter, form.type.dtype, form.aligned, {}, {}};
  for (size_t axis = 0; axis < at.size(); ++axis) {
    if (at[axis].may_miss) {
      access.windows.push_back(
          {at[axis].at, at[axis].dilation, form.type.shape[axis], strides[axis]});
    } else {
      add_scaled(access.offset, at[axis].at, strides[axis]);
    }
  }
  return access;
}

// Axes of more than one element keep their order; nullopt where a reshape does more.
std::optional<Coordinates> without_unit_axes(const Shape& from, const Shape& to,
                                             const Coordinates& at, const Affine& zero) {
  Coordinates result(to.size(), zero);
  size_t i = 0;
  for (size_t j = 0; j < to.size(); ++j) {
    if (to[j] == 1) continue;
    while (i < from.size() && from[i] == 1) ++i;
    if (i == from.size() || from[i] != to[j]) return std::nullopt;
    result[j] = at[i++];
  }
  while (i < from.size() && from[i] == 1) ++i;
  return i == from.size() ? std::optional(result) : std::nullopt;
}

// An elementwise part, as steps at one position: behind the sum, or, without one, in front of it.
class Steps {
 public:
  Steps(GemmView& view, std::span<const BufferForm> operands, std::vector<GemmStep>& steps,
        int sum = -1)
      : view_(view),
        operands_(operands),
        leaves_(body_leaves(view.body)),
        steps_(steps),
        sum_(sum),
        zero_{std::vector<int64_t>(view.digits.size(), 0), 0} {}

  // Where the sum's element is in the values computed from it.
  bool follow(const Coordinates& of_sum) {
    positions_.resize(view_.body.size());
    positions_[sum_] = of_sum;
    for (int i = sum_ + 1; i < view_.body.size(); ++i) {
      const Node& node = view_.body.node(i);
      for (const Value& operand : node.operands) {
        if (positions_[operand.node] && !positions_[i])
          positions_[i] = behind(node, *positions_[operand.node]);
      }
    }
    return std::all_of(view_.body.outputs().begin(), view_.body.outputs().end(),
                       [&](const Output& output) { return position(output.value).has_value(); });
  }
  const std::optional<Coordinates>& position(Value value) const { return positions_[value.node]; }

  // The step that computes a node; -1 where this cannot.
  int step(int node, const Coordinates& at) {
    const auto key = std::pair(node, text_of(at));
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
    const int made = make(node, at);
    if (made >= 0) known_[key] = made;
    return made;
  }

 private:
  using Text = std::vector<int64_t>;
  static Text text_of(const Coordinates& at) {
    Text text;
    for (const Affine& axis : at) {
      text.insert(text.end(), axis.factors.begin(), axis.factors.end());
      text.push_back(axis.constant);
      text.push_back(-1);
    }
    return text;
  }

  std::optional<Coordinates> behind(const Node& node, const Coordinates& at) const {
    const Shape& from = view_.body.type(node.operands[0]).shape;
    if (node.op->pointwise) return at;
    if (node.is(ops::reshape)) return without_unit_axes(from, node.types[0].shape, at, zero_);
    if (!node.is(ops::transpose)) return std::nullopt;
    Coordinates result;
    for (int64_t axis : node.attributes.integers("permutation")) result.push_back(at[axis]);
    return result;
  }

  // An operand's position, from that of the node's result.
  std::optional<Coordinates> before(const Node& node, size_t operand, const Coordinates& at) const {
    const Shape& from = view_.body.type(node.operands[operand]).shape;
    if (node.op->pointwise) return at;
    if (node.is(ops::reshape)) return without_unit_axes(node.types[0].shape, from, at, zero_);
    Coordinates source(from.size(), zero_);
    if (node.is(ops::broadcast)) {
      const Integers& axes = node.attributes.integers("axes");
      for (size_t i = 0; i < from.size(); ++i)
        if (from[i] != 1) source[i] = at[axes[i]];
      return source;
    }
    if (!node.is(ops::transpose)) return std::nullopt;
    const Integers& permutation = node.attributes.integers("permutation");
    for (size_t i = 0; i < at.size(); ++i) source[permutation[i]] = at[i];
    return source;
  }

  int add(GemmStep step) {
    steps_.push_back(std::move(step));
    return static_cast<int>(steps_.size()) - 1;
  }

  int make(int index, const Coordinates& at) {
    const Node& node = view_.body.node(index);
    if (index == sum_) {
      const bool same = at == *positions_[sum_];
      return same ? add({GemmStep::Kind::sum, index, -1, {}}) : -1;
    }
    if (node.op->kind == OpKind::leaf) return load(index, at);
    if (node.is(ops::full) && is_number(node.types[0].dtype))
      return add({GemmStep::Kind::node, index, -1, {}});
    const bool is_view =
        node.is(ops::reshape) || node.is(ops::broadcast) || node.is(ops::transpose);
    if (!is_view && !has_step(node)) return -1;
    GemmStep made{GemmStep::Kind::node, index, -1, {}};
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const std::optional<Coordinates> source = before(node, i, at);
      const int operand = source ? step(node.operands[i].node, *source) : -1;
      if (operand < 0) return -1;
      if (is_view) return operand;
      made.operands.push_back(operand);
    }
    return add(std::move(made));
  }

  // Numbers are computed in f32; truths come from comparisons and masks, and go into select and
  // logic. A cast is one between numbers.
  bool has_step(const Node& node) const {
    const bool takes_truths = node.is(ops::select) || node.is(ops::logical_not) ||
                              node.is(ops::bit_and) || node.is(ops::bit_or);
    if (node.is(ops::cast) && !is_number(node.types[0].dtype)) return false;
    return is_gemm_step(*node.op) &&
           std::all_of(node.operands.begin(), node.operands.end(), [&](Value operand) {
             const DType dtype = view_.body.type(operand).dtype;
             return is_number(dtype) || (takes_truths && dtype == DType::boolean);
           });
  }

  int load(int node, const Coordinates& at) {
    const auto leaf = std::find(leaves_.begin(), leaves_.end(), Value{node, 0});
    if (leaf == leaves_.end()) return -1;
    const auto parameter = static_cast<int>(leaf - leaves_.begin());
    const BufferForm& form = operands_[parameter];
    const bool known = is_number(form.type.dtype) || form.type.dtype == DType::boolean;
    if (!known || !form.type.layout.is_row_major()) return -1;
    std::vector<Position> positions;
    for (const Affine& axis : at) positions.push_back(inside(axis));
    view_.accesses.push_back(access_of(parameter, form, positions));
    return add({GemmStep::Kind::load, node, static_cast<int>(view_.accesses.size()) - 1, {}});
  }

  GemmView& view_;
  std::span<const BufferForm> operands_;
  std::vector<Value> leaves_;
  std::vector<GemmStep>& steps_;
  int sum_;
  Affine zero_;
  std::vector<std::optional<Coordinates>> positions_;
  std::map<std::pair<int, Text>, int> known_;
};

std::vector<Affine*> all_functions(GemmView& view) {
  std::vector<Affine*> functions;
  for (GemmAccess& access : view.accesses) {
    functions.push_back(&access.offset);
    for (GemmWindow& window : access.windows) functions.push_back(&window.position);
  }
  return functions;
}

void remove_digit(GemmView& view, size_t digit) {
  view.digits.erase(view.digits.begin() + static_cast<int64_t>(digit));
  for (Affine* function : all_functions(view))
    function->factors.erase(function->factors.begin() + static_cast<int64_t>(digit));
}

// Makes one digit of neighbours that every tensor walks evenly; digits of one value go.
void join_digits(GemmView& view) {
  for (Affine* function : all_functions(view)) function->factors.resize(view.digits.size());
  for (size_t d = view.digits.size(); d-- > 0;) {
    if (view.digits[d].extent == 1) remove_digit(view, d);
  }
  for (size_t d = view.digits.size(); d-- > 1;) {
    if (view.digits[d - 1].of != view.digits[d].of) continue;
    const int64_t extent = view.digits[d].extent;
    const std::vector<Affine*> functions = all_functions(view);
    const bool even = std::all_of(functions.begin(), functions.end(), [&](const Affine* f) {
      return f->factors[d - 1] == extent * f->factors[d];
    });
    if (!even) continue;
    view.digits[d].extent *= view.digits[d - 1].extent;
    remove_digit(view, d - 1);
  }
}

// The body's one contraction of numbers; -1 where there is none, or more.
int find_product(const Graph& body) {
  int found = -1;
  for (int i = 0; i < body.size(); ++i) {
    if (!is_contraction(body.node(i))) continue;
    if (found >= 0) return -1;
    found = i;
  }
  if (found < 0) return -1;
  const Node& node = body.node(found);
  for (const Value& operand : node.operands) {
    if (!is_number(body.type(operand).dtype)) return -1;
  }
  return node.types[0].count() > 0 && node.types[0].rank() >= 2 ? found : -1;
}

// Digits of each index side by side, outermost first.
void sort_digits(GemmView& view) {
  std::vector<size_t> order(view.digits.size());
  for (size_t d = 0; d < order.size(); ++d) order[d] = d;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return view.digits[a].of < view.digits[b].of; });
  std::vector<GemmDigit> digits;
  for (size_t d : order) digits.push_back(view.digits[d]);
  view.digits = digits;
  for (Affine* function : all_functions(view)) {
    function->factors.resize(order.size());
    std::vector<int64_t> factors;
    for (size_t d : order) factors.push_back(function->factors[d]);
    function->factors = factors;
  }
}

std::optional<GemmOperand> stored_operand(GemmView& view, std::span<const BufferForm> operands,
                                          Value value, const std::vector<Position>& at) {
  const std::vector<Value> leaves = body_leaves(view.body);
  const auto leaf = std::find(leaves.begin(), leaves.end(), value);
  const auto parameter = static_cast<int>(leaf - leaves.begin());
  if (!operands[parameter].type.layout.is_row_major()) return std::nullopt;
  view.accesses.push_back(access_of(parameter, operands[parameter], at));
  return GemmOperand{static_cast<int>(view.accesses.size()) - 1, {}};
}

// An operand that the body computes. Its access is that of the largest tensor it is computed from.
std::optional<GemmOperand> computed_operand(GemmView& view, std::span<const BufferForm> operands,
                                            Value value, const std::vector<Position>& at) {
  Coordinates position;
  for (const Position& axis : at) {
    if (axis.may_miss) return std::nullopt;
    position.push_back(axis.at);
    position.back().factors.resize(view.digits.size());
  }
  GemmOperand operand;
  Steps steps(view, operands, operand.steps);
  if (steps.step(value.node, position) < 0) return std::nullopt;
  int64_t most = 0;
  for (const GemmStep& step : operand.steps) {
    if (step.kind != GemmStep::Kind::load) continue;
    const int64_t count = operands[view.accesses[step.access].parameter].type.count();
    if (count > most) operand.access = step.access;
    most = std::max(most, count);
  }
  return most > 0 ? std::optional(std::move(operand)) : std::nullopt;
}

bool add_stores(GemmView& view, Steps& steps, std::span<const BufferForm> results,
                size_t parameters) {
  for (size_t i = 0; i < results.size(); ++i) {
    const Value value = view.body.outputs()[i].value;
    const Coordinates at = *steps.position(value);
    const BufferForm& form = results[i];
    if (!is_number(form.type.dtype) || !form.type.layout.is_row_major()) return false;
    const int step = steps.step(value.node, at);
    if (step < 0) return false;
    std::vector<Position> positions;
    for (const Affine& axis : at) positions.push_back(inside(axis));
    view.accesses.push_back(access_of(static_cast<int>(parameters + i), form, positions));
    view.stores.push_back({static_cast<int>(view.accesses.size()) - 1, step});
  }
  return true;
}

}  // namespace

int64_t GemmView::extent(GemmIndex index) const {
  int64_t product = 1;
  for (const GemmDigit& digit : digits) {
    if (digit.of == index) product *= digit.extent;
  }
  return product;
}

DType GemmView::panel_dtype(const GemmOperand& side) const {
  return side.is_stored() ? accesses[side.access].dtype : DType::f32;
}

int64_t GemmView::stride_along(int access, GemmIndex index) const {
  for (size_t d = digits.size(); d-- > 0;) {
    if (digits[d].of != index) continue;
    const GemmAccess& at = accesses[access];
    int64_t stride = at.offset.factors[d];
    for (const GemmWindow& window : at.windows)
      stride += window.position.factors[d] * window.stride / window.dilation;
    return stride;
  }
  return 0;
}

std::optional<GemmView> GemmView::of(const Graph& body, std::span<const BufferForm> operands,
                                     std::span<const BufferForm> results) {
  const int sum = find_product(body);
  if (sum < 0) return std::nullopt;
  GemmView view{body, {}, {}, {}, {}, {}, {}};
  const Node& node = view.body.node(sum);
  const Shape &lhs = body.type(node.operands[0]).shape, &rhs = body.type(node.operands[1]).shape;
  Digits digits;
  const Product product = node.is(ops::conv) ? product_of_conv(node, lhs, rhs, digits)
                                             : product_of_matmul(node, lhs, digits);
  view.digits = digits.list;
  const auto side = [&](size_t operand, const std::vector<Position>& at) {
    const Value value = node.operands[operand];
    const bool is_leaf = body.node(value).op->kind == OpKind::leaf;
    return is_leaf ? stored_operand(view, operands, value, at)
                   : computed_operand(view, operands, value, at);
  };
  const std::optional<GemmOperand> left = side(product.left_operand, product.left);
  const std::optional<GemmOperand> right = side(product.right_operand, product.right);
  if (!left || !right) return std::nullopt;
  view.left = *left;
  view.right = *right;
  Coordinates result = product.result;
  for (size_t axis = 0; axis < result.size(); ++axis) {
    if (node.types[0].shape[axis] == 1) result[axis] = {};
    result[axis].factors.resize(view.digits.size());
  }
  Steps steps(view, operands, view.steps, sum);
  if (!steps.follow(result) || !add_stores(view, steps, results, operands.size()))
    return std::nullopt;
  sort_digits(view);
  join_digits(view);
  return view;
}

bool is_gemm_step(const OpDef& op) {
  static const OpDef* const kOps[] = {
      &ops::negate,   &ops::abs,        &ops::exp,           &ops::sqrt,
      &ops::rsqrt,    &ops::reciprocal, &ops::tanh,          &ops::erf,
      &ops::sigmoid,  &ops::relu,       &ops::add,           &ops::subtract,
      &ops::multiply, &ops::divide,     &ops::maximum,       &ops::minimum,
      &ops::equal,    &ops::not_equal,  &ops::less,          &ops::less_equal,
      &ops::greater,  &ops::select,     &ops::greater_equal, &ops::logical_not,
      &ops::floor,    &ops::ceil,       &ops::stop_gradient, &ops::bit_and,
      &ops::bit_or,   &ops::cast,       &ops::gelu_slope};
  return std::find(std::begin(kOps), std::end(kOps), &op) != std::end(kOps);
}

}  // namespace ag
