// Rewrite rules: named rows of pattern and replacement, and the one driver that applies them.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/tensor.h"

namespace ag {

// What a variable of a pattern accepts.
enum class Accepts {
  anything,
  number,    // a value with one number in every element: full, or a constant of one element
  constant,  // a constant or a number
};

// A named place of a pattern. The same variable twice must meet the same value.
struct Variable {
  int slot = 0;
  Accepts accepts = Accepts::anything;
};

// A tree of ops over variables and numbers. Operands of commutative ops match in either order.
class Pattern {
 public:
  Pattern(Variable variable) : variable_(variable) {}
  Pattern(double number) : number_(number) {}
  Pattern(const OpDef& op, std::vector<Pattern> operands)
      : op_(&op), operands_(std::move(operands)) {}
  // The pattern; the value it meets is kept in `variable`.
  Pattern as(Variable variable) const;

  const OpDef* op() const { return op_; }

 private:
  friend class Matcher;
  const OpDef* op_ = nullptr;
  std::vector<Pattern> operands_;
  std::optional<double> number_;
  std::optional<Variable> variable_;
};

inline constexpr int kPatternSlots = 6;

// What rows of rules are written with: op(ops::multiply, x, 1.0).
namespace pattern {

inline constexpr Variable x{0}, y{1}, z{2};
inline constexpr Variable c{3, Accepts::number}, d{4, Accepts::number};
inline constexpr Variable inner{5};  // for .as(inner): a node whose attributes are needed

template <class... Patterns>
Pattern op(const OpDef& record, Patterns... operands) {
  return {record, std::vector<Pattern>{Pattern(operands)...}};
}

}  // namespace pattern

// A place where a pattern fits. New nodes are appended to the same graph.
struct Match {
  Tensor root;
  std::array<Tensor, kPatternSlots> slots;

  Tensor operator[](Variable variable) const { return slots[variable.slot]; }
  double number(Variable variable) const;  // of a variable that accepts numbers
  const Node& node() const { return root.graph().node(root.value()); }
  const Node& node(Variable variable) const { return root.graph().node((*this)[variable].value()); }
  // One number in every element, of the root's type.
  Tensor full(double number) const;
};

struct Rule {
  std::string_view name;
  Pattern pattern;
  // The replacement, of the root's type; an invalid Tensor when a side condition fails.
  Tensor (*rewrite)(const Match& match);
  // Rules that say nothing about layouts are tried only where all tensors are row-major.
  bool any_layout = false;
};

// The number in every element of a value, if it is written as such.
std::optional<double> number_of(Tensor tensor);

// Applies the rules to every node, operands first, until none applies, and removes what is no
// longer used. Each rule must lower some measure; the driver gives up with an InternalError
// naming the rules after a bounded number of rounds. The names of the rules that applied, in order,
// are added to `applied` when it is given.
Graph rewrite(const Graph& graph, std::span<const Rule> rules,
              std::vector<std::string_view>* applied = nullptr);

}  // namespace ag
