#include "passes/rewrite.h"

#include <algorithm>
#include <cmath>

#include "ir/internal_error.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {
namespace {

constexpr int kMostRounds = 50;
constexpr int kMostRewritesOfOneNode = 50;

const OpDef* const kCommutative[] = {
    &ops::add,    &ops::multiply, &ops::maximum, &ops::minimum,   &ops::bit_and,
    &ops::bit_or, &ops::bit_xor,  &ops::equal,   &ops::not_equal,
};

bool is_commutative(const OpDef& op) {
  return std::find(std::begin(kCommutative), std::end(kCommutative), &op) != std::end(kCommutative);
}

bool accepts(Accepts what, Tensor tensor) {
  if (what == Accepts::anything || number_of(tensor)) return true;
  return what == Accepts::constant && tensor.graph().node(tensor.value()).is(ops::constant);
}

bool is_row_major(const Graph& graph, const Node& node) {
  auto plain = [](const TensorType& type) { return type.layout.is_row_major(); };
  return std::all_of(node.types.begin(), node.types.end(), plain) &&
         std::all_of(node.operands.begin(), node.operands.end(),
                     [&](Value operand) { return plain(graph.type(operand)); });
}

}  // namespace

// Tries to lay a pattern over a value.
class Matcher {
 public:
  explicit Matcher(Tensor root) { match_.root = root; }

  std::optional<Match> match(const Pattern& pattern) {
    if (!fits(pattern, match_.root)) return std::nullopt;
    return match_;
  }

 private:
  bool fits(const Pattern& pattern, Tensor tensor) {
    if (pattern.number_) return number_of(tensor) == pattern.number_;
    if (pattern.op_ && !fits_op(pattern, tensor)) return false;
    return !pattern.variable_ || bind(*pattern.variable_, tensor);
  }

  bool bind(Variable variable, Tensor tensor) {
    Tensor& slot = match_.slots[variable.slot];
    if (slot.valid()) return slot.value() == tensor.value();
    if (!accepts(variable.accepts, tensor)) return false;
    slot = tensor;
    return true;
  }

  bool fits_op(const Pattern& pattern, Tensor tensor) {
    const Node& node = tensor.graph().node(tensor.value());
    if (!node.is(*pattern.op_) || node.operands.size() != pattern.operands_.size()) return false;
    auto before = match_.slots;
    if (fits_operands(pattern, tensor, false)) return true;
    match_.slots = before;
    if (node.operands.size() != 2 || !is_commutative(*node.op)) return false;
    if (fits_operands(pattern, tensor, true)) return true;
    match_.slots = before;
    return false;
  }

  bool fits_operands(const Pattern& pattern, Tensor tensor, bool swapped) {
    const Node& node = tensor.graph().node(tensor.value());
    for (size_t i = 0; i < node.operands.size(); ++i) {
      Value operand = node.operands[swapped ? 1 - i : i];
      if (!fits(pattern.operands_[i], {tensor.graph(), operand})) return false;
    }
    return true;
  }

  Match match_;
};

namespace {

// One round over a graph.
class Round {
 public:
  Round(const Graph& graph, std::span<const Rule> rules) : copy_(graph), rules_(rules) {}

  Graph run() {
    const Graph& from = copy_.from();
    for (int i = 0; i < from.size(); ++i) {
      int fresh = copy_.node(i);
      const Node& node = from.node(i);
      if (node.op->kind == OpKind::leaf || node.types.size() != 1) continue;
      LocationGuard location(copy_.graph(), node.location);
      copy_.replace({i, 0}, simplified({copy_.graph(), Value{fresh, 0}}));
    }
    return copy_.finish();
  }

  const std::vector<std::string_view>& applied() const { return applied_; }

 private:
  Tensor simplified(Tensor tensor) {
    for (int i = 0; i < kMostRewritesOfOneNode; ++i) {
      Tensor next = rewritten(tensor);
      if (!next.valid()) return tensor;
      tensor = next;
    }
    return tensor;
  }

  // The value by the first rule that applies, invalid when none does.
  Tensor rewritten(Tensor tensor) {
    const Node& node = tensor.graph().node(tensor.value());
    bool row_major = is_row_major(tensor.graph(), node);
    for (const Rule& rule : rules_) {
      if (rule.pattern.op() && rule.pattern.op() != node.op) continue;
      if (!row_major && !rule.any_layout) continue;
      std::optional<Match> match = Matcher(tensor).match(rule.pattern);
      Tensor next = match ? rule.rewrite(*match) : Tensor();
      if (!next.valid()) continue;
      if (next.type() != tensor.type()) {
        internal_error("rule {} replaces {} by {}", rule.name, to_string(tensor.type()),
                       to_string(next.type()));
      }
      applied_.push_back(rule.name);
      return next;
    }
    return {};
  }

  GraphCopy copy_;
  std::span<const Rule> rules_;
  std::vector<std::string_view> applied_;
};

}  // namespace

Pattern Pattern::as(Variable variable) const {
  Pattern kept = *this;
  kept.variable_ = variable;
  return kept;
}

double Match::number(Variable variable) const { return *number_of((*this)[variable]); }

Tensor Match::full(double number) const {
  Graph& graph = root.graph();
  Attributes attributes{{"value", number}, {"type", root.type()}};
  return {graph, graph.add(ops::full, {}, std::move(attributes), node().location)};
}

std::optional<double> number_of(Tensor tensor) {
  const Node& node = tensor.graph().node(tensor.value());
  if (node.is(ops::full)) return node.attributes.number("value");
  if (!node.is(ops::constant) || tensor.type().count() != 1) return std::nullopt;
  const Array& array = node.attributes.array("data");
  double value = array.get_double(0);
  bool exact = is_float(array.dtype()) || std::fabs(value) < 0x1p53;
  return exact ? std::optional(value) : std::nullopt;
}

Graph rewrite(const Graph& graph, std::span<const Rule> rules,
              std::vector<std::string_view>* applied) {
  Graph current = graph;
  std::string_view last;
  for (int i = 0; i < kMostRounds; ++i) {
    Round round(current, rules);
    Graph next = round.run();
    if (round.applied().empty()) return current;
    last = round.applied().back();
    if (applied) applied->insert(applied->end(), round.applied().begin(), round.applied().end());
    current = dce(next);
  }
  internal_error("rewriting does not come to an end; the last rule was {}", last);
}

}  // namespace ag
