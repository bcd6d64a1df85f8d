// The tables of rewrite rules, one file per family.
#pragma once

#include <vector>

#include "passes/rewrite.h"

namespace ag {

std::vector<Rule> algebra_rules();      // arithmetic, comparisons, select
std::vector<Rule> view_rules();         // reshape, transpose, broadcast, slice, pad …
std::vector<Rule> reduction_rules();    // sums and extrema over axes
std::vector<Rule> contraction_rules();  // conv and matmul with views before them
std::vector<Rule> row_rules();          // matrices seen as tokens and back
std::vector<Rule> constant_rules();     // values known at compile time

// All of them, in the order in which they are tried.
std::span<const Rule> simplify_rules();

}  // namespace ag
