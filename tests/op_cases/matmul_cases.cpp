#include "ir/ops/contract.h"
#include "tests/op_cases.h"

namespace ag {

void add_matmul_cases(OpCases& table) {
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      std::string label = std::string(ta ? "t" : "n") + (tb ? "t" : "n");
      table.push_back({"matmul", label, {DType::f32, DType::f64, DType::i32}, [=](CaseBuilder& b) {
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
  table.push_back({"matmul", "vector", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({1, 19});
                     b.result(matmul(x, b.operand({19, 10})));
                   }});
}

}  // namespace ag
