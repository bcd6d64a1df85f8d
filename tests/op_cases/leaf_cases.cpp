#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "tests/op_cases.h"

namespace ag {

void add_leaf_cases(OpCases& table) {
  table.push_back({"input", "alone", kAllDTypes, [](CaseBuilder& b) {
                     b.result(b.operand({3, 5}));
                   }});
  table.push_back({"parameter", "used", kAllNumbers, [](CaseBuilder& b) {
                     b.result(b.stored(ops::parameter, {3, 5}) * b.operand({3, 5}));
                   }});
  table.push_back({"state", "used", kAllNumbers, [](CaseBuilder& b) {
                     b.result(b.stored(ops::state, {3, 5}) + b.operand({5}));
                   }});
  for (const OpDef* kind : {&ops::parameter, &ops::state}) {
    table.push_back({std::string(kind->name), "bool", {DType::boolean}, [kind](CaseBuilder& b) {
                       b.result(logical_not(b.stored(*kind, {3, 5})));
                     }});
  }
  table.push_back({"constant", "array", kAllNumbers, [](CaseBuilder& b) {
                     Array array(b.dtype(), {2, 3});
                     for (int64_t i = 0; i < 6; ++i)
                       array.set_double(i, static_cast<double>(i * i));
                     b.result(b.operand({2, 3}) + constant(b.graph(), std::move(array)));
                   }});
  table.push_back({"full", "scalar", kNumbers, [](CaseBuilder& b) {
                     b.result(b.operand({3, 5}) + 3.0);
                   }});
  table.push_back({"full", "alone", kAllDTypes, [](CaseBuilder& b) {
                     b.result(full(b.graph(), tensor_type(b.dtype(), {7}), 1));
                   }});
  for (int axis : {0, 2}) {
    table.push_back({"iota", "axis" + std::to_string(axis), kAllNumbers, [axis](CaseBuilder& b) {
                       b.result(iota(b.graph(), tensor_type(b.dtype(), {3, 2, 5}), axis));
                     }});
  }
}

}  // namespace ag
