#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "tests/op_cases.h"

namespace ag {

void add_view_cases(OpCases& table) {
  auto row = [&](const char* op, const char* label, std::function<void(CaseBuilder&)> build) {
    // The first row of an op has all dtypes.
    bool first = table.empty() || table.back().op != op;
    std::vector<DType> dtypes = kAllDTypes;
    if (!first) dtypes = {DType::f32, DType::bf16, DType::u8};
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
  row("broadcast", "empty", [](CaseBuilder& b) {
    b.result(broadcast(b.operand({1, 3}), {0, 3}, {0, 1}));
  });
  row("broadcast", "inner", [](CaseBuilder& b) {
    b.result(broadcast(b.operand({3, 1, 5}), {2, 3, 7, 5}, {1, 2, 3}));
  });
  row("reshape", "ones", [](CaseBuilder& b) {
    b.result(reshape(b.operand({3, 1, 5}), {1, 15, 1}));
  });
  row("reshape", "empty", [](CaseBuilder& b) { b.result(reshape(b.operand({0, 4}), {2, 0})); });
  row("transpose", "ones", [](CaseBuilder& b) {
    b.result(transpose(b.operand({1, 5, 1, 3}), {3, 0, 1, 2}));
  });
  row("slice", "empty", [](CaseBuilder& b) { b.result(slice(b.operand({5, 7}), {2, 0}, {2, 7})); });
  row("slice", "stride_above_extent", [](CaseBuilder& b) {
    b.result(slice(b.operand({3, 5}), {1, 0}, {3, 5}, {7, 4}));
  });
  row("pad", "three_axes", [](CaseBuilder& b) {
    b.result(pad(b.operand({2, 3, 4}), {1, -1, 0}, {-1, 2, 3}, {0, 1, 0}, 1));
  });
  row("pad", "empty", [](CaseBuilder& b) { b.result(pad(b.operand({0, 3}), {1, 0}, {2, 1})); });
  row("concat", "with_empty", [](CaseBuilder& b) {
    Tensor x = b.operand({2, 3}), y = b.operand({2, 0});
    b.result(concat({x, y, b.operand({2, 1})}, 1));
  });
  row("reverse", "size_one_axis", [](CaseBuilder& b) {
    b.result(reverse(b.operand({3, 1, 5}), {1, 2}));
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
