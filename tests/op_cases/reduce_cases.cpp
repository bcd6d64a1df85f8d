#include "ir/ops/reduce.h"
#include "tests/op_cases.h"

namespace ag {
namespace {

struct UnusualRow {
  const char* label;
  Shape shape;
  std::vector<int> axes;
};

// Large enough for vectors and for sums in two steps; axes of one element.
const UnusualRow kUnusual[] = {
    {"long_rows", {3, 133}, {1}},       {"long_columns", {133, 19}, {0}},
    {"two_steps", {4, 33, 35}, {0, 1}}, {"size_one_axis", {3, 1, 5}, {1}},
};

}  // namespace

void add_reduce_cases(OpCases& table) {
  using Reduce = Tensor (*)(Operand, std::vector<int>);
  using Arg = Tensor (*)(Operand, int);
  const std::vector<std::vector<int>> axis_sets{{0}, {1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}};
  for (auto [op, reduce] : {std::pair<const char*, Reduce>{"reduce_sum", reduce_sum},
                            {"reduce_max", reduce_max},
                            {"reduce_min", reduce_min}}) {
    for (const std::vector<int>& axes : axis_sets) {
      std::string label = "axes";
      for (int axis : axes) label += "_" + std::to_string(axis);
      bool first = axes == axis_sets[0];
      table.push_back(
          {op, label, first ? kAllNumbers : kFloats, [reduce = reduce, axes](CaseBuilder& b) {
             b.result(reduce(b.operand({3, 5, 4}, -9, 9), axes));
           }});
    }
    for (const auto& [label, shape, axes] : kUnusual) {
      table.push_back({op, label, kFloats,
                       [reduce = reduce, shape = shape, axes = axes](CaseBuilder& b) {
                         b.result(reduce(b.operand(shape, -9, 9), axes));
                       },
                       element_count(shape) < 500});
    }
    if (op == std::string("reduce_sum")) continue;
    table.push_back({op, "ties", kFloats,
                     [reduce = reduce](CaseBuilder& b) {
                       b.result(reduce(b.values({2, 3}, {1, 1, 0, 2, 3, 2}), {1}));
                     },
                     false});
  }
  for (auto [op, arg] : {std::pair<const char*, Arg>{"argmax", argmax}, {"argmin", argmin}}) {
    for (int axis : {0, 1, 2}) {
      table.push_back({op, "axis" + std::to_string(axis), axis == 0 ? kAllDTypes : kFloats,
                       [arg = arg, axis](CaseBuilder& b) {
                         b.result(arg(b.operand({3, 5, 4}, -9, 9), axis));
                       }});
    }
    table.push_back({op, "first_of_equals", kFloats, [arg = arg](CaseBuilder& b) {
                       b.result(arg(b.values({2, 4}, {1, 5, 5, 1, 1, 5, 1, 5}), 1));
                     }});
  }
  for (auto [label, shape, axes] : {std::tuple{"empty", Shape{3, 0, 2}, std::vector{1}},
                                    std::tuple{"empty_result", Shape{3, 0, 2}, std::vector{0}}}) {
    table.push_back({"reduce_sum", label, kNumbers, [shape = shape, axes = axes](CaseBuilder& b) {
                       b.result(reduce_sum(b.operand(shape), axes));
                     }});
  }
  table.push_back({"reduce_sum", "mean", kFloats, [](CaseBuilder& b) {
                     b.result(reduce_mean(b.operand({3, 5, 4}), {0, 2}));
                   }});
}

}  // namespace ag
