#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "tests/op_cases.h"

namespace ag {

void add_view_cases(OpCases& table) {
  auto row = [&](const char* op, const char* label, std::function<void(CaseBuilder&)> build) {
    std::vector<DType> dtypes = kNumbers;
    dtypes.insert(dtypes.end(), {DType::f16, DType::bf16, DType::boolean});
    table.push_back({op, label, dtypes, std::move(build)});
  };
  row("broadcast", "leading", [](CaseBuilder& b) {
    b.result(broadcast(b.operand({3}), {5, 3, 2}, {1}));
  });
  row("broadcast", "ones", [](CaseBuilder& b) {
    b.result(broadcast(b.operand({3, 1}), {3, 7}, {0, 1}));
  });
  row("broadcast", "scalar", [](CaseBuilder& b) {
    b.result(broadcast(b.operand({}), {3, 5}, {}));
  });
  row("reshape", "merge", [](CaseBuilder& b) { b.result(reshape(b.operand({3, 5, 2}), {15, 2})); });
  row("reshape", "split", [](CaseBuilder& b) { b.result(reshape(b.operand({30}), {3, -1, 2})); });
  row("transpose", "reversed", [](CaseBuilder& b) {
    b.result(transpose(b.operand({3, 5, 2}), {2, 1, 0}));
  });
  row("transpose", "rotated", [](CaseBuilder& b) {
    b.result(transpose(b.operand({3, 5, 2, 3}), {1, 2, 3, 0}));
  });
  row("slice", "inner", [](CaseBuilder& b) { b.result(slice(b.operand({5, 7}), {1, 2}, {4, 7})); });
  row("slice", "strided", [](CaseBuilder& b) {
    b.result(slice(b.operand({8, 9}), {1, 0}, {8, 8}, {3, 2}));
  });
  row("pad", "both_sides", [](CaseBuilder& b) {
    b.result(pad(b.operand({3, 5}), {1, 2}, {0, 3}));
  });
  row("pad", "value", [](CaseBuilder& b) {
    b.result(pad(b.operand({3, 5}), {1, 0}, {1, 2}, {}, 7));
  });
  row("pad", "cropping", [](CaseBuilder& b) {
    b.result(pad(b.operand({5, 7}), {-1, 2}, {-2, -3}));
  });
  row("pad", "interior", [](CaseBuilder& b) {
    b.result(pad(b.operand({3, 4}), {1, -1}, {2, 0}, {1, 2}));
  });
  row("concat", "three", [](CaseBuilder& b) {
    Tensor x = b.operand({2, 3, 2}), y = b.operand({2, 1, 2});
    b.result(concat({x, y, b.operand({2, 4, 2})}, 1));
  });
  row("concat", "same_twice", [](CaseBuilder& b) {
    Tensor x = b.operand({3, 2});
    b.result(concat({x, x}, 0));
  });
  row("reverse", "two_axes", [](CaseBuilder& b) {
    b.result(reverse(b.operand({3, 5, 2}), {0, 2}));
  });
  row("to_layout", "channels_blocked", [](CaseBuilder& b) {
    Tensor x = b.operand({2, 19, 3, 5});
    b.result(to_layout(to_layout(x, Layout::parse("aBcd16b", 4)), Layout{}));
  });
  row("to_layout", "channels_last", [](CaseBuilder& b) {
    Tensor x = b.operand({2, 3, 4, 5});
    b.result(to_layout(to_layout(x, Layout::parse("acdb", 4)), Layout{}));
  });
}

}  // namespace ag
