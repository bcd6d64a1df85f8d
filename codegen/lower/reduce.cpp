#include "ir/ops/reduce.h"

#include <algorithm>
#include <limits>

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;
using Halide::Func;

// The domain of a reduction: variables of the axes that stay, and an RDom over those that vanish.
struct Domain {
  std::vector<Halide::Var> kept;  // Halide's order
  std::vector<int> reduced;       // innermost first
  Halide::RDom over;
  Coordinates position;  // of an operand element
  int64_t terms = 1;     // elements of one result

  Domain(const Shape& shape, const Integers& axes) {
    auto vanishes = [&](int axis) {
      return std::find(axes.begin(), axes.end(), axis) != axes.end();
    };
    kept = logical_variables(static_cast<int>(shape.size() - axes.size()));
    Halide::Region ranges;
    for (int axis = static_cast<int>(shape.size()) - 1; axis >= 0; --axis) {
      if (!vanishes(axis)) continue;
      reduced.push_back(axis);
      ranges.emplace_back(0, static_cast<int>(shape[axis]));
      terms *= shape[axis];
    }
    over = Halide::RDom(ranges);
    size_t k = kept.size(), r = reduced.size();
    for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
      position.push_back(vanishes(axis) ? Expr(over[--r]) : Expr(kept[--k]));
    }
  }

  Reduction record(const Func& func, std::vector<int> nodes) const {
    Reduction reduction{func, std::move(nodes), reduced, {}, {}, terms};
    for (size_t i = 0; i < reduced.size(); ++i)
      reduction.variables.push_back(over[static_cast<int>(i)]);
    return reduction;
  }
};

Func named(const Kernel& kernel, int node) {
  return Func(std::string(kernel.body.node(node).op->name) + "_" + std::to_string(node));
}

// The start of an extremum: finite, since kernels assume that there are no infinities.
Expr worst(Halide::Type type, bool larger) {
  if (type == Halide::Float(32)) {
    return Expr(larger ? -std::numeric_limits<float>::max() : std::numeric_limits<float>::max());
  }
  if (type == Halide::Float(64)) {
    return Expr(larger ? -std::numeric_limits<double>::max() : std::numeric_limits<double>::max());
  }
  return larger ? type.min() : type.max();
}

// The extremum over a domain of what `element` gives there; its type is the elements'.
Func extremum_of(LowerContext& c, const Domain& domain, const Expr& element, bool larger) {
  Func extremum = named(c.kernel, c.index);
  extremum(domain.kept) = worst(element.type(), larger);
  Expr so_far = extremum(domain.kept);
  extremum(domain.kept) = larger ? Halide::max(so_far, element) : Halide::min(so_far, element);
  c.kernel.reductions.push_back(domain.record(extremum, {c.index}));
  return extremum;
}

template <bool larger>
void lower_extremum(LowerContext& c) {
  Domain domain(c.operand_type(0).shape, c.attributes().integers("axes"));
  Halide::Type type = compute_type(c.result_type().dtype);
  Expr x = Halide::cast(type, c.operand(0, domain.position));
  c.kernel.values[c.index][0] = extremum_of(c, domain, x, larger);
}

// The operand as two sums may read it: where it is computed, stored before.
Func read_twice(LowerContext& c) {
  const Value operand = c.node().operands[0];
  const Func value = c.kernel.values[operand.node][operand.result];
  if (c.operand_leaf(0) >= 0) return value;
  const Shape& shape = c.operand_type(0).shape;
  const std::vector<Halide::Var> variables = logical_variables(static_cast<int>(shape.size()));
  Func stored("stored_" + std::to_string(c.index));
  stored(variables) = value(variables);
  c.kernel.stored.push_back({stored, {shape.rbegin(), shape.rend()}});
  return stored;
}

// For devices: the extremum, and the first index that has it, so that both can be shared by many
// threads.
template <bool larger>
void lower_arg_in_two(LowerContext& c) {
  const Shape& shape = c.operand_type(0).shape;
  const Integers axes{c.attributes().integer("axis")};
  Func x = read_twice(c);
  Domain values(shape, axes), indices(shape, axes);
  const auto at = [&](const Domain& domain) {
    return x(Coordinates(domain.position.rbegin(), domain.position.rend()));
  };
  Func extremum = extremum_of(c, values, at(values), larger);
  const int none = static_cast<int>(indices.terms);
  Func first = named(c.kernel, c.index), index("index_" + std::to_string(c.index));
  first(indices.kept) = none;
  Expr hit = Halide::select(at(indices) == extremum(indices.kept), indices.over[0], none);
  first(indices.kept) = Halide::min(first(indices.kept), hit);
  c.kernel.reductions.push_back(indices.record(first, {c.index}));
  index(indices.kept) = Halide::select(first(indices.kept) < none, first(indices.kept), 0);
  c.kernel.values[c.index][0] = index;
}

// (index, value) pairs; the first of equals wins because the loop runs upwards and asks for
// strictly better.
template <bool larger>
void lower_arg(LowerContext& c) {
  if (c.kernel.target.is_cuda()) return lower_arg_in_two<larger>(c);
  Domain domain(c.operand_type(0).shape, {c.attributes().integer("axis")});
  Func best = named(c.kernel, c.index), index("index_" + std::to_string(c.index));
  Expr x = c.operand(0, domain.position);
  best(domain.kept) = Halide::Tuple(0, worst(x.type(), larger));
  Expr better = larger ? x > best(domain.kept)[1] : x < best(domain.kept)[1];
  best(domain.kept) = Halide::Tuple(Halide::select(better, domain.over[0], best(domain.kept)[0]),
                                    Halide::select(better, x, best(domain.kept)[1]));
  index(domain.kept) = best(domain.kept)[0];
  c.kernel.values[c.index][0] = index;
  c.kernel.reductions.push_back(domain.record(best, {c.index}));
  c.kernel.reductions.back().ordered = true;
}

constexpr Lowering kReduceLowerings[] = {
    {&ops::reduce_max, lower_extremum<true>},
    {&ops::reduce_min, lower_extremum<false>},
    {&ops::argmax, lower_arg<true>},
    {&ops::argmin, lower_arg<false>},
};

}  // namespace

std::span<const Lowering> reduce_lowerings() { return kReduceLowerings; }

void lower_reductions(Kernel& kernel, std::span<const int> nodes) {
  const Node& first = kernel.body.node(nodes[0]);
  Domain domain(kernel.body.type(first.operands[0]).shape, first.attributes.integers("axes"));
  Func sum = named(kernel, nodes[0]);
  std::vector<Expr> zeros, terms;
  for (int node : nodes) {
    Value operand = kernel.body.node(node).operands[0];
    Coordinates reversed(domain.position.rbegin(), domain.position.rend());
    Expr term = stored_operand(kernel, operand)(reversed);
    terms.push_back(term);
    zeros.push_back(Halide::cast(term.type(), 0));
  }
  if (nodes.size() == 1) {
    sum(domain.kept) = zeros[0];
    sum(domain.kept) += terms[0];
    kernel.values[nodes[0]] = {sum};
  } else {
    sum(domain.kept) = Halide::Tuple(zeros);
    for (size_t i = 0; i < terms.size(); ++i)
      terms[i] = Expr(sum(domain.kept)[static_cast<int>(i)]) + terms[i];
    sum(domain.kept) = Halide::Tuple(terms);
    for (size_t i = 0; i < nodes.size(); ++i) {
      Func part("sum_" + std::to_string(nodes[i]));
      part(domain.kept) = sum(domain.kept)[static_cast<int>(i)];
      kernel.values[nodes[i]] = {part};
    }
  }
  kernel.reductions.push_back(domain.record(sum, {nodes.begin(), nodes.end()}));
}

}  // namespace ag::lower
