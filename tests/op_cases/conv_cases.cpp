#include "ir/ops/conv.h"
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
};

}  // namespace

void add_conv_cases(OpCases& table) {
  for (const ConvRow& row : kConvRows) {
    table.push_back({"conv", row.label, kFloats, [row](CaseBuilder& b) {
                       Tensor x = b.operand(row.lhs);
                       b.result(conv(x, b.operand(row.rhs, -1, 1), row.options));
                     }});
  }
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
