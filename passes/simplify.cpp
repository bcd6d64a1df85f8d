// simplify: local rewriting
//
// Applies the rules of passes/rules/ (arithmetic with 0 and 1, views of views, sums of broadcasts,
// matrices that stay matrices, padding and transposes into contractions, known values) until none
// applies; each is a named row with its side condition. What is no longer used goes away.
//
//   %1: f32[4] = full(value=1)
//   %2: f32[4] = multiply(%x, %1)                      %1: f32[4] = relu(%x)
//   %3: f32[4] = relu(%2)                        =>    return y=%1
//   %4: f32[2,2] = reshape(%3)
//   %5: f32[4] = reshape(%4)
//   return y=%5
//
// Floats are taken to be finite, as everywhere after import: x · 0 is 0. What changes a rounding by
// more than reordering would (x / 3 into x · 0.333…) is left to code generation. Merging equal
// nodes is cse's work; stop_gradient stays until strip_stop_gradient.
#include "passes/passes.h"
#include "passes/rules/rules.h"

namespace ag {
namespace {

std::vector<Rule> all_rules() {
  std::vector<Rule> rules;
  for (auto family :
       {constant_rules, algebra_rules, view_rules, row_rules, reduction_rules, contraction_rules}) {
    for (Rule& rule : family()) rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace

std::span<const Rule> simplify_rules() {
  static const std::vector<Rule> rules = all_rules();
  return rules;
}

Graph simplify(const Graph& graph) { return rewrite(graph, simplify_rules()); }

}  // namespace ag
