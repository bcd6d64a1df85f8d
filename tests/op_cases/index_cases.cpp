#include "ir/ops/index.h"
#include "tests/op_cases.h"

namespace ag {

void add_index_cases(OpCases& table) {
  for (int axis : {0, 1, 2}) {
    std::string label = "axis" + std::to_string(axis);
    Shape dense{3, 5, 4}, picked{3, 5, 4};
    picked[axis] = 7;
    table.push_back({"take_along", label, kFloats, [=](CaseBuilder& b) {
                       Tensor x = b.operand(dense);
                       b.result(take_along(x, b.indices(picked, 0, dense[axis] - 1), axis));
                     }});
    table.push_back({"scatter_along_add", label, kFloats, [=](CaseBuilder& b) {
                       Tensor updates = b.operand(picked);
                       b.result(scatter_along_add(updates, b.indices(picked, 0, dense[axis] - 1),
                                                  axis, tensor_type(b.dtype(), dense)));
                     }});
  }
  table.push_back({"take_along", "labels_i64", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({7, 10});
                     b.result(take_along(x, b.indices({7, 1}, 0, 9, DType::i64), 1));
                   }});
  table.push_back({"take_along", "out_of_range", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({4});
                     b.result(take_along(x, b.values_of(DType::i32, {4}, {-3, 0, 3, 9}), 0));
                   }});
  table.push_back({"gather_rows", "embedding", kFloats, [](CaseBuilder& b) {
                     Tensor rows = b.operand({11, 3});
                     b.result(gather_rows(rows, b.indices({2, 5}, 0, 10)));
                   }});
  table.push_back({"gather_rows", "out_of_range", kFloats, [](CaseBuilder& b) {
                     Tensor rows = b.operand({4, 3});
                     b.result(gather_rows(rows, b.values_of(DType::i64, {3}, {-1, 2, 4})));
                   }});
  table.push_back({"scatter_rows_add", "embedding", kFloats, [](CaseBuilder& b) {
                     Tensor updates = b.operand({2, 5, 3});
                     b.result(scatter_rows_add(updates, b.indices({2, 5}, 0, 6),
                                               tensor_type(b.dtype(), {7, 3})));
                   }});
  table.push_back({"iota", "one_hot", {DType::i32, DType::i64, DType::u8}, [](CaseBuilder& b) {
                     b.result(one_hot(b.operand({7}, 0, 6), 5));
                   }});
}

}  // namespace ag
