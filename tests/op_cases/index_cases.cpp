#include "ir/ops/index.h"
#include "tests/op_cases.h"

namespace ag {

void add_index_cases(OpCases& table) {
  for (int axis : {0, 1, 2}) {
    std::string label = "axis" + std::to_string(axis);
    Shape dense{3, 5, 4}, picked{3, 5, 4};
    picked[axis] = 7;
    table.push_back({"take_along", label, axis == 0 ? kAllDTypes : kFloats, [=](CaseBuilder& b) {
                       Tensor x = b.operand(dense);
                       b.result(take_along(x, b.indices(picked, 0, dense[axis] - 1), axis));
                     }});
    table.push_back(
        {"scatter_along_add", label, axis == 0 ? kAllNumbers : kFloats, [=](CaseBuilder& b) {
           Tensor updates = b.operand(picked);
           b.result(scatter_along_add(updates, b.indices(picked, 0, dense[axis] - 1), axis,
                                      tensor_type(b.dtype(), dense)));
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
  table.push_back({"gather_rows", "embedding", kAllDTypes, [](CaseBuilder& b) {
                     Tensor rows = b.operand({11, 3});
                     b.result(gather_rows(rows, b.indices({2, 5}, 0, 10)));
                   }});
  table.push_back({"gather_rows", "out_of_range", kFloats, [](CaseBuilder& b) {
                     Tensor rows = b.operand({4, 3});
                     b.result(gather_rows(rows, b.values_of(DType::i64, {3}, {-1, 2, 4})));
                   }});
  table.push_back({"scatter_rows_add", "embedding", kAllNumbers, [](CaseBuilder& b) {
                     Tensor updates = b.operand({2, 5, 3});
                     b.result(scatter_rows_add(updates, b.indices({2, 5}, 0, 6),
                                               tensor_type(b.dtype(), {7, 3})));
                   }});
  // Indices of every integer type that may be one.
  for (DType dtype : kIntegers) {
    if (dtype == DType::u32 || dtype == DType::u64) continue;
    std::string label = "indices_" + std::string(name_of(dtype));
    const std::vector<DType> values{DType::f32};
    table.push_back({"take_along", label, values, [=](CaseBuilder& b) {
                       Tensor x = b.operand({3, 5});
                       b.result(take_along(x, b.indices({3, 2}, 0, 4, dtype), 1));
                     }});
    table.push_back({"scatter_along_add", label, values, [=](CaseBuilder& b) {
                       Tensor updates = b.operand({3, 2});
                       b.result(scatter_along_add(updates, b.indices({3, 2}, 0, 4, dtype), 1,
                                                  tensor_type(b.dtype(), {3, 5})));
                     }});
    table.push_back({"gather_rows", label, values, [=](CaseBuilder& b) {
                       Tensor rows = b.operand({5, 3});
                       b.result(gather_rows(rows, b.indices({7}, 0, 4, dtype)));
                     }});
    table.push_back({"scatter_rows_add", label, values, [=](CaseBuilder& b) {
                       Tensor updates = b.operand({7, 3});
                       b.result(scatter_rows_add(updates, b.indices({7}, 0, 4, dtype),
                                                 tensor_type(b.dtype(), {5, 3})));
                     }});
  }
  table.push_back({"gather_rows",
                   "more_rows_than_an_index_counts",
                   {DType::f32},
                   [](CaseBuilder& b) {
                     Tensor rows = b.operand({300, 2});
                     b.result(gather_rows(rows, b.indices({7}, 0, 255, DType::u8)));
                   },
                   false});
  table.push_back({"gather_rows", "no_indices", kFloats, [](CaseBuilder& b) {
                     Tensor rows = b.operand({5, 3});
                     b.result(gather_rows(rows, b.indices({0}, 0, 4)));
                   }});
  table.push_back(
      {"scatter_rows_add", "no_indices", kFloats, [](CaseBuilder& b) {
         Tensor updates = b.operand({0, 3});
         b.result(scatter_rows_add(updates, b.indices({0}, 0, 4), tensor_type(b.dtype(), {5, 3})));
       }});
  table.push_back({"iota", "one_hot", {DType::i32, DType::i64, DType::u8}, [](CaseBuilder& b) {
                     b.result(one_hot(b.operand({7}, 0, 6), 5));
                   }});
}

}  // namespace ag
