#include "ir/ops/pool.h"
#include "ir/ops/resize.h"
#include "ir/ops/window.h"
#include "tests/op_cases.h"

namespace ag {
namespace {

struct PoolRow {
  const char* label;
  Shape shape;
  PoolOptions options;
};

const PoolRow kPoolRows[] = {
    {"2x2", {2, 3, 6, 8}, {.window = {2, 2}}},
    {"2x2_rest", {1, 3, 5, 7}, {.window = {2, 2}}},
    {"2x2_ceil", {1, 3, 5, 7}, {.window = {2, 2}, .ceil_mode = true}},
    {"3x3_stride2", {1, 2, 7, 9}, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1, 1, 1}}},
    {"3x3_stride2_ceil",
     {1, 2, 6, 8},
     {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1, 1, 1}, .ceil_mode = true}},
    {"3x3_stride1", {1, 2, 4, 5}, {.window = {3, 3}, .stride = {1, 1}, .padding = {1, 1, 1, 1}}},
    {"1d", {2, 3, 11}, {.window = {3}, .stride = {2}}},
    {"3d", {1, 2, 4, 5, 3}, {.window = {2, 2, 2}, .stride = {2, 1, 1}}},
    {"3d_padded",
     {1, 1, 3, 4, 5},
     {.window = {3, 2, 3}, .stride = {1, 2, 2}, .padding = {1, 1, 0, 0, 1, 1}}},
    {"stride_above_window", {1, 2, 9, 11}, {.window = {2, 3}, .stride = {3, 4}}},
    {"size_one_axes", {1, 1, 1, 5}, {.window = {1, 3}, .stride = {1, 2}}},
    {"whole", {2, 3, 3, 5}, {.window = {3, 5}}},
    {"empty_batch", {0, 3, 4, 5}, {.window = {2, 2}}},
    {"wide", {1, 17, 4, 5}, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1, 1, 1}}},
};

// The first row of an op has all dtypes.
std::vector<DType> number_dtypes(const PoolRow& row) {
  return row.label == kPoolRows[0].label ? kAllNumbers : kFloats;
}

const PoolRow kDilated{
    "dilated", {1, 2, 9, 8}, {.window = {3, 2}, .stride = {1, 2}, .dilation = {2, 3}}};

WindowSpec scatter_spec() {
  return window_spec({.window = {3, 2}, .stride = {2, 2}, .padding = {1, 1, 0, 0}}, {2, 7, 6});
}

void add_averages(OpCases& table) {
  for (const PoolRow& row : kPoolRows) {
    for (bool include : {true, false}) {
      std::string label = std::string(row.label) + (include ? "" : "_without_padding");
      table.push_back({"avg_pool", label, kFloats, [row, include](CaseBuilder& b) {
                         b.result(avg_pool(b.operand(row.shape), row.options, include));
                       }});
    }
  }
  for (const Shape& shape :
       {Shape{2, 3, 5, 7}, Shape{2, 5, 3}, Shape{1, 2, 3, 4, 2}, Shape{2, 19, 3, 1}}) {
    std::string label = shape[1] > 16 ? "wide" : std::to_string(shape.size() - 2) + "d";
    table.push_back({"global_avg_pool", label, kFloats,
                     [shape](CaseBuilder& b) { b.result(global_avg_pool(b.operand(shape))); }});
  }
  auto adaptive = [&](const char* label, Shape shape, Integers size) {
    table.push_back({"adaptive_avg_pool", label, kFloats,
                     [=](CaseBuilder& b) { b.result(adaptive_avg_pool(b.operand(shape), size)); }});
  };
  adaptive("divisible", {2, 3, 6, 8}, {3, 2});
  adaptive("uneven", {1, 2, 7, 5}, {3, 2});
  adaptive("enlarging", {1, 2, 3, 4}, {5, 4});
  adaptive("one_axis", {2, 3, 10}, {4});
  adaptive("three_axes", {1, 2, 4, 3, 5}, {2, 3, 2});
  adaptive("to_one", {2, 3, 5, 7}, {1, 1});
  adaptive("from_one", {2, 3, 1, 1}, {2, 3});
}

void add_resizes(OpCases& table) {
  auto add = [&](const char* label, Shape shape, Integers size, bool align_corners) {
    table.push_back({"resize_linear", label, kFloats, [=](CaseBuilder& b) {
                       b.result(resize_linear(b.operand(shape), size, align_corners));
                     }});
  };
  add("bilinear", {2, 3, 3, 5}, {7, 10}, false);
  add("smaller", {1, 2, 9, 7}, {4, 3}, false);
  add("one_axis", {2, 3, 5}, {8}, false);
  add("trilinear", {1, 2, 2, 3, 3}, {3, 5, 6}, false);
  add("from_one_element", {2, 3, 1, 1}, {3, 4}, false);
  add("corners", {1, 3, 4, 5}, {7, 2}, true);
  add("corners_to_one", {1, 2, 4, 3}, {1, 6}, true);
}

}  // namespace

void add_window_cases(OpCases& table) {
  for (const PoolRow& row : kPoolRows) {
    table.push_back({"max_pool", row.label, number_dtypes(row), [row](CaseBuilder& b) {
                       auto [values, taps] =
                           max_pool_with_taps(b.operand(row.shape, -60, 60), row.options);
                       b.result(values);
                       b.result(taps);
                     }});
    table.push_back({"sum_pool", row.label, number_dtypes(row), [row](CaseBuilder& b) {
                       b.result(sum_pool(b.operand(row.shape), row.options));
                     }});
  }
  table.push_back({"max_pool", kDilated.label, kFloats, [](CaseBuilder& b) {
                     b.result(max_pool(b.operand(kDilated.shape), kDilated.options));
                   }});
  table.push_back({"sum_pool", kDilated.label, kFloats, [](CaseBuilder& b) {
                     b.result(sum_pool(b.operand(kDilated.shape), kDilated.options));
                   }});
  table.push_back({"max_pool", "first_of_equals", kFloats,
                   [](CaseBuilder& b) {
                     Tensor x = b.values({1, 2, 4}, {1, 1, 2, 0, 1, 1, 2, 2});
                     auto [values, taps] = max_pool_with_taps(x, {.window = {2, 2}});
                     b.result(values);
                     b.result(taps);
                   },
                   false});
  table.push_back({"max_pool", "below_zero", kFloats, [](CaseBuilder& b) {
                     b.result(max_pool(b.operand({1, 2, 4, 4}, -9, -1),
                                       {.window = {3, 3}, .padding = {1, 1, 1, 1}}));
                   }});
  table.push_back({"window_gather", "padded", kAllNumbers, [](CaseBuilder& b) {
                     Tensor x = b.operand({2, 7, 6});
                     b.result(window_gather(x, b.indices({2, 4, 3}, 0, 5), scatter_spec()));
                   }});
  table.push_back({"window_scatter", "padded", kAllNumbers, [](CaseBuilder& b) {
                     Tensor dy = b.operand({2, 4, 3});
                     b.result(window_scatter(dy, b.indices({2, 4, 3}, 0, 5),
                                             tensor_type(b.dtype(), {2, 7, 6}), scatter_spec()));
                   }});
  add_averages(table);
  add_resizes(table);
}

}  // namespace ag
