#include "ir/ops/conv.h"
#include "ir/ops/winograd.h"
#include "tests/op_cases.h"

namespace ag {
namespace {

struct ConvRow {
  const char* label;
  Shape lhs, rhs;
  ConvOptions options;
};

const ConvRow kConvRows[] = {
    {"plain_1d", {2, 3, 9}, {4, 3, 3}, {}},
    {"plain_2d", {2, 3, 5, 7}, {4, 3, 3, 3}, {}},
    {"plain_3d", {1, 2, 3, 4, 5}, {3, 2, 2, 3, 2}, {}},
    {"no_spatial_axes", {3, 5}, {4, 5}, {}},
    {"one_by_one", {2, 5, 3, 4}, {7, 5, 1, 1}, {}},
    {"same_3x3", {1, 3, 6, 5}, {4, 3, 3, 3}, {.padding = {1, 1, 1, 1}}},
    {"same_5x5", {1, 2, 7, 7}, {3, 2, 5, 5}, {.padding = {2, 2, 2, 2}}},
    {"stride2", {2, 3, 7, 9}, {4, 3, 3, 3}, {.stride = {2, 2}, .padding = {1, 1, 1, 1}}},
    {"stride2_1x1", {1, 3, 7, 8}, {5, 3, 1, 1}, {.stride = {2, 2}}},
    {"stride_rest", {1, 2, 8, 8}, {3, 2, 3, 3}, {.stride = {3, 2}}},
    {"asymmetric", {1, 2, 6, 7}, {3, 2, 3, 2}, {.stride = {2, 1}, .padding = {0, 2, 1, 0}}},
    {"cropped", {1, 2, 8, 9}, {3, 2, 3, 3}, {.padding = {-1, 1, -2, -1}}},
    {"dilated", {1, 2, 9, 8}, {3, 2, 3, 3}, {.padding = {2, 2, 0, 0}, .rhs_dilation = {2, 3}}},
    {"input_dilated",
     {1, 2, 4, 3},
     {3, 2, 3, 2},
     {.padding = {1, 2, 0, 1}, .lhs_dilation = {2, 3}}},
    {"reversed", {1, 2, 5, 6}, {3, 2, 3, 2}, {.padding = {1, 1, 0, 0}, .reverse = true}},
    {"reversed_strided",
     {1, 2, 7, 6},
     {3, 2, 3, 2},
     {.stride = {2, 1}, .padding = {1, 1, 0, 0}, .rhs_dilation = {1, 2}, .reverse = true}},
    {"groups2", {2, 4, 5, 5}, {6, 2, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 2}},
    {"depthwise", {2, 5, 6, 7}, {5, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 5}},
    {"depthwise_stride2",
     {1, 5, 7, 7},
     {5, 1, 3, 3},
     {.stride = {2, 2}, .padding = {1, 1, 1, 1}, .groups = 5}},
    {"depthwise_multiplier", {1, 3, 5, 5}, {6, 1, 3, 3}, {.groups = 3}},
    {"backward_data_dims",
     {2, 4, 5, 5},
     {4, 3, 3, 3},
     {.padding = {1, 1, 1, 1}, .dims = "nc,io->nc", .reverse = true}},
    {"backward_weights_dims", {2, 3, 6, 6}, {2, 4, 4, 4}, {.dims = "cn,io->cn"}},
    {"channels_swapped_result", {2, 3, 5}, {4, 3, 3}, {.dims = "nc,oi->cn"}},
    {"batch_groups", {4, 3, 6}, {4, 5, 4}, {.groups = 2, .dims = "Cn,Io->cN"}},
    {"batch_groups_2d",
     {4, 3, 5, 6},
     {4, 2, 2, 3},
     {.stride = {1, 2}, .padding = {1, 0, -1, 2}, .groups = 2, .dims = "Cn,Io->cN"}},
    {"dilated_both_sides",
     {1, 2, 4, 5},
     {3, 2, 3, 2},
     {.padding = {2, 1, 0, 3}, .lhs_dilation = {3, 2}, .rhs_dilation = {2, 3}}},
    {"dilated_both_sides_strided",
     {2, 2, 7},
     {3, 2, 3},
     {.stride = {2}, .padding = {1, 2}, .lhs_dilation = {2}, .rhs_dilation = {3}}},
    {"stride_above_kernel",
     {1, 2, 9, 11},
     {3, 2, 2, 2},
     {.stride = {3, 4}, .padding = {1, 0, 0, 1}}},
    {"stride3_1x1", {1, 3, 7, 8}, {4, 3, 1, 1}, {.stride = {3, 3}}},
    {"cropped_1d", {2, 3, 9}, {2, 3, 3}, {.padding = {-2, -1}}},
    {"cropped_dilated_input", {1, 2, 6}, {3, 2, 2}, {.padding = {-1, -2}, .lhs_dilation = {2}}},
    {"cropped_strided", {1, 2, 10, 9}, {3, 2, 3, 3}, {.stride = {2, 3}, .padding = {-1, 1, 2, -2}}},
    {"stride2_3d",
     {1, 2, 5, 4, 5},
     {3, 2, 3, 3, 3},
     {.stride = {2, 1, 2}, .padding = {1, 1, 1, 1, 1, 1}}},
    {"dilated_3d",
     {1, 2, 5, 4, 6},
     {2, 2, 2, 2, 2},
     {.padding = {1, 0, 0, 1, 0, 0}, .rhs_dilation = {2, 1, 3}}},
    {"groups_1d", {2, 6, 7}, {9, 2, 3}, {.padding = {1, 1}, .groups = 3}},
    {"groups_3d", {1, 4, 3, 4, 3}, {6, 2, 2, 3, 2}, {.padding = {0, 1, 1, 1, 1, 0}, .groups = 2}},
    {"groups_strided_dilated",
     {1, 4, 9, 8},
     {4, 2, 3, 2},
     {.stride = {2, 3}, .padding = {1, 1, 0, 1}, .rhs_dilation = {2, 1}, .groups = 2}},
    {"depthwise_1d", {2, 5, 9}, {5, 1, 3}, {.padding = {2, 2}, .rhs_dilation = {2}, .groups = 5}},
    {"depthwise_3d",
     {1, 3, 4, 3, 5},
     {3, 1, 3, 3, 3},
     {.padding = {1, 1, 1, 1, 1, 1}, .groups = 3}},
    {"size_one_axes", {1, 1, 1, 5}, {1, 1, 1, 3}, {}},
    {"one_pixel", {2, 3, 1, 1}, {4, 3, 3, 3}, {.padding = {1, 1, 1, 1}}},
    {"kernel_of_image_size", {2, 3, 5, 4}, {4, 3, 5, 4}, {}},
    {"empty_batch", {0, 3, 5, 5}, {4, 3, 3, 3}, {.padding = {1, 1, 1, 1}}},
};

// More channels than a vector has lanes, none of them multiples: the layouts with padding lanes.
// Too many elements for differences; PyTorch checks their gradients.
const ConvRow kWideRows[] = {
    {"wide", {2, 19, 5, 7}, {21, 19, 3, 3}, {.padding = {1, 1, 1, 1}}},
    {"wide_1x1", {2, 35, 3, 5}, {18, 35, 1, 1}, {}},
    {"wide_stride2", {1, 18, 7, 9}, {33, 18, 3, 3}, {.stride = {2, 2}, .padding = {1, 1, 1, 1}}},
    {"wide_1d", {2, 17, 11}, {20, 17, 3}, {.padding = {1, 1}}},
    {"wide_3d", {1, 17, 3, 4, 3}, {18, 17, 2, 3, 2}, {.padding = {0, 1, 1, 1, 1, 0}}},
    {"wide_depthwise", {2, 35, 6, 5}, {35, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 35}},
    {"wide_groups", {1, 36, 5, 4}, {34, 18, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 2}},
};

// The first row in every dtype: integers wrap.
std::vector<DType> dtypes_of(const ConvRow& row) {
  return row.label == kConvRows[0].label ? kAllNumbers : kFloats;
}

}  // namespace

void add_conv_cases(OpCases& table) {
  for (const ConvRow& row : kConvRows) {
    table.push_back({"conv", row.label, dtypes_of(row), [row](CaseBuilder& b) {
                       Tensor x = b.operand(row.lhs);
                       b.result(conv(x, b.operand(row.rhs, -1, 1), row.options));
                     }});
  }
  for (const ConvRow& row : kWideRows) {
    table.push_back({"conv", row.label, kFloats,
                     [row](CaseBuilder& b) {
                       Tensor x = b.operand(row.lhs, -1, 1);
                       b.result(conv(x, b.operand(row.rhs, -1, 1), row.options));
                     },
                     false});
  }
  for (int64_t tile : {2, 4}) {
    table.push_back({"winograd_conv",
                     tile == 2 ? "tile2" : "tile4",
                     {DType::f32, DType::f64},
                     [tile](CaseBuilder& b) {
                       Tensor x = b.operand({2, 3, 7, 9});
                       Tensor w = b.operand({4, 3, 3, 3}, -1, 1);
                       b.result(winograd_conv(x, winograd_weights(w, tile), tile, {1, 1, 0, 0}));
                     },
                     false});
    table.push_back(
        {"winograd_conv",
         tile == 2 ? "tile2_dilated" : "tile4_dilated",
         {DType::f32, DType::f64},
         [tile](CaseBuilder& b) {
           Tensor x = b.operand({1, 3, 11, 10});
           Tensor w = b.operand({2, 3, 3, 3}, -1, 1);
           b.result(winograd_conv(x, winograd_weights(w, tile), tile, {2, 2, 1, 3}, {2, 3}));
         },
         false});
    table.push_back({"winograd_conv",
                     tile == 2 ? "tile2_video" : "tile4_video",
                     {DType::f32, DType::f64},
                     [tile](CaseBuilder& b) {
                       Tensor x = b.operand({1, 2, 3, 6, 5});
                       Tensor w = b.operand({3, 2, 3, 3, 3}, -1, 1);
                       b.result(winograd_conv(x, winograd_weights(w, tile), tile,
                                              {1, 2, 1, 1, 0, 1}, {2, 1, 1}));
                     },
                     false});
  }
  for (int64_t tile : {2, 4}) {
    table.push_back({"winograd_weights",
                     tile == 2 ? "tile2" : "tile4",
                     {DType::f32, DType::f64},
                     [tile](CaseBuilder& b) {
                       b.result(winograd_weights(b.operand({5, 3, 3, 3}, -1, 1), tile));
                     },
                     false});
    table.push_back({"winograd_weights",
                     tile == 2 ? "tile2_backward" : "tile4_backward",
                     {DType::f32, DType::f64},
                     [tile](CaseBuilder& b) {
                       Tensor w = b.operand({5, 18, 2, 3, 3}, -1, 1);
                       b.result(winograd_weights(w, tile, true, true));
                     },
                     false});
    table.push_back({"winograd_backward_weights",
                     tile == 2 ? "tile2" : "tile4",
                     {DType::f32, DType::f64},
                     [tile](CaseBuilder& b) {
                       Tensor x = b.operand({2, 3, 7, 9});
                       Tensor dy = b.operand({2, 4, 7, 7}, -1, 1);
                       b.result(winograd_backward_weights(x, dy, tile, {1, 1, 0, 0}));
                     },
                     false});
  }
  table.push_back({"winograd_backward_weights",
                   "wide",
                   {DType::f32, DType::f64},
                   [](CaseBuilder& b) {
                     Tensor x = b.operand({2, 19, 6, 5}, -1, 1);
                     Tensor dy = b.operand({2, 21, 6, 4}, -1, 1);
                     b.result(winograd_backward_weights(x, dy, 4, {1, 1, 0, 1}));
                   },
                   false});
  table.push_back({"conv", "transposed", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({2, 3, 4, 3});
                     b.result(conv_transpose(
                         x, b.operand({3, 4, 3, 3}, -1, 1),
                         {.stride = {2, 3}, .padding = {1, 1, 0, 0}, .output_padding = {1, 0}}));
                   }});
  table.push_back({"conv", "transposed_groups", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({1, 4, 5});
                     b.result(conv_transpose(x, b.operand({4, 3, 3}, -1, 1),
                                             {.stride = {2}, .dilation = {2}, .groups = 2}));
                   }});
}

}  // namespace ag
