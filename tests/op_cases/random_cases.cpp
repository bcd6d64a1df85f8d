#include <fmt/format.h>

#include "ir/ops/random.h"
#include "tests/op_cases.h"

namespace ag {
namespace {

Tensor key_of(CaseBuilder& b) { return b.values_of(DType::u32, {2}, {3735928559, 20070611}); }

}  // namespace

void add_random_cases(OpCases& table) {
  const std::vector<DType> words{DType::u32};
  table.push_back({"random_bits", "odd", words, [](CaseBuilder& b) {
                     b.result(random_bits(key_of(b), {3, 7}));
                   }});
  table.push_back({"random_bits", "stream", words,
                   [](CaseBuilder& b) { b.result(random_bits(key_of(b), {9}, 2147483000)); }});
  table.push_back({"random_bits", "next_key", words, [](CaseBuilder& b) {
                     Tensor next = next_key(key_of(b));
                     b.result(next);
                     b.result(random_bits(next, {5}));
                   }});
  table.push_back({"random_uniform", "odd", kWideFloats, [](CaseBuilder& b) {
                     b.result(random_uniform(key_of(b), tensor_type(b.dtype(), {5, 7}), 1));
                   }});
  table.push_back({"random_normal", "odd", kWideFloats, [](CaseBuilder& b) {
                     b.result(random_normal(key_of(b), tensor_type(b.dtype(), {5, 7}), 2));
                   }});
  for (double rate : {0.0, 0.3, 0.9}) {
    table.push_back({"dropout", fmt::format("rate_{}", rate), kFloats, [rate](CaseBuilder& b) {
                       Tensor x = b.operand({5, 7});
                       b.result(dropout(x, key_of(b), rate, 3));
                     }});
  }
}

}  // namespace ag
