#include "ir/ops/contract.h"
#include "tests/op_cases.h"

namespace ag {

void add_matmul_cases(OpCases& table) {
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      std::string label = std::string(ta ? "t" : "n") + (tb ? "t" : "n");
      table.push_back({"matmul", label, ta || tb ? kNumbers : kAllNumbers, [=](CaseBuilder& b) {
                         Tensor x = b.operand(ta ? Shape{7, 5} : Shape{5, 7});
                         Tensor y = b.operand(tb ? Shape{3, 7} : Shape{7, 3});
                         b.result(matmul(x, y, {ta, tb}));
                       }});
      table.push_back({"matmul", label + "_batched", kFloats, [=](CaseBuilder& b) {
                         Tensor x = b.operand(ta ? Shape{2, 3, 4, 5} : Shape{2, 3, 5, 4});
                         Tensor y = b.operand(tb ? Shape{2, 3, 3, 4} : Shape{2, 3, 4, 3});
                         b.result(matmul(x, y, {ta, tb}));
                       }});
    }
  }
  table.push_back({"matmul", "broadcast_batch", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({3, 1, 2, 5});
                     b.result(matmul(x, b.operand({4, 5, 3})));
                   }});
  auto product = [&](const char* label, Shape a, Shape b_shape, bool differences = true) {
    table.push_back({"matmul", label, kFloats,
                     [=](CaseBuilder& b) {
                       Tensor x = b.operand(a, -1, 1);
                       b.result(matmul(x, b.operand(b_shape, -1, 1)));
                     },
                     differences});
  };
  product("one_by_one", {1, 1}, {1, 1});
  product("outer", {7, 1}, {1, 3});
  product("inner", {1, 9}, {9, 1});
  product("broadcast_both", {1, 3, 2, 4}, {5, 1, 4, 3});
  product("empty_rows", {0, 5}, {5, 3});
  product("empty_depth", {3, 0}, {0, 4});
  product("empty_batch", {0, 2, 3}, {0, 3, 4});
  product("wide", {19, 37}, {37, 35}, false);
  table.push_back({"matmul", "vector", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({1, 19});
                     b.result(matmul(x, b.operand({19, 10})));
                   }});
}

}  // namespace ag
