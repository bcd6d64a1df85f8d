#include "ir/ops/norm.h"
#include "ir/ops/softmax.h"
#include "tests/op_cases.h"

namespace ag {
namespace {

std::string rank_label(const Shape& shape) { return std::to_string(shape.size()) + "d"; }

void add_batch_norm(OpCases& table, const std::string& label, const Shape& shape) {
  Shape channels{shape[1]};
  table.push_back({"batch_norm_inference", label, kFloats, [=](CaseBuilder& b) {
                     Tensor x = b.operand(shape), scale = b.operand(channels, 0.5, 2);
                     Tensor bias = b.operand(channels), mean = b.operand(channels, -1, 1);
                     b.result(
                         batch_norm_inference(x, scale, bias, mean, b.operand(channels, 0.3, 3)));
                   }});
  table.push_back({"batch_norm_training", label, kFloats, [=](CaseBuilder& b) {
                     Tensor x = b.operand(shape), scale = b.operand(channels, 0.5, 2);
                     b.result(batch_norm_training(x, scale, b.operand(channels), 1e-3).y);
                   }});
  table.push_back(
      {"batch_norm_grad", label, kFloats, [=](CaseBuilder& b) {
         Tensor x = b.operand(shape), scale = b.operand(channels, 0.5, 2);
         Tensor mean = b.operand(channels, -1, 1);
         Tensor operands[] = {x, scale, mean, b.operand(channels, 0.3, 3), b.operand(shape)};
         for (Tensor y : apply_all(ops::batch_norm_grad, operands, {}, {})) b.result(y);
       }});
}

}  // namespace

void add_norm_cases(OpCases& table) {
  for (const Shape& shape : {Shape{5, 3}, Shape{3, 4, 5}, Shape{2, 3, 3, 5}}) {
    add_batch_norm(table, rank_label(shape), shape);
  }
  add_batch_norm(table, "5d", {2, 3, 2, 3, 2});
  add_batch_norm(table, "wide", {3, 19, 3, 2});
  add_batch_norm(table, "one_channel", {4, 1, 3});
  add_batch_norm(table, "one_image", {1, 3, 4, 3});
  table.push_back({"batch_norm_training", "statistics", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({3, 4, 5}), scale = b.operand({4}, 0.5, 2);
                     BatchNormResults all = batch_norm_training(x, scale, b.operand({4}));
                     b.result(all.y);
                     b.result(all.mean);
                     b.result(all.variance);
                   }});
  for (int axis : {1, 2}) {
    table.push_back({"layer_norm", "axis" + std::to_string(axis), kFloats, [axis](CaseBuilder& b) {
                       Tensor x = b.operand({3, 5, 7});
                       Shape row(x.shape().begin() + axis, x.shape().end());
                       Tensor scale = b.operand(row, 0.5, 2);
                       b.result(layer_norm(x, scale, b.operand(row), axis, 1e-4));
                     }});
  }
  for (int axis : {0, 1, 2}) {
    std::string label = "axis" + std::to_string(axis);
    table.push_back({"softmax", label, kFloats, [axis](CaseBuilder& b) {
                       b.result(softmax(b.operand({3, 5, 4}, -4, 4), axis));
                     }});
    table.push_back({"log_softmax", label, kFloats, [axis](CaseBuilder& b) {
                       b.result(log_softmax(b.operand({3, 5, 4}, -4, 4), axis));
                     }});
  }
  for (auto [label, shape, axis] :
       {std::tuple{"row", Shape{7}, 0}, std::tuple{"long_rows", Shape{3, 67}, 1},
        std::tuple{"long_columns", Shape{5, 35}, 0}, std::tuple{"one_class", Shape{3, 1}, 1},
        std::tuple{"four_axes", Shape{2, 3, 2, 5}, 1}, std::tuple{"empty_batch", Shape{0, 5}, 1}}) {
    table.push_back({"softmax", label, kFloats, [shape = shape, axis = axis](CaseBuilder& b) {
                       b.result(softmax(b.operand(shape, -4, 4), axis));
                     }});
    table.push_back({"log_softmax", label, kFloats, [shape = shape, axis = axis](CaseBuilder& b) {
                       b.result(log_softmax(b.operand(shape, -4, 4), axis));
                     }});
  }
  table.push_back({"layer_norm", "long_rows", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({3, 35}), scale = b.operand({35}, 0.5, 2);
                     b.result(layer_norm(x, scale, b.operand({35}), 1));
                   }});
  table.push_back({"softmax", "far_out", kFloats, [](CaseBuilder& b) {
                     b.result(softmax(b.values({2, 3}, {100, 99, 0, -100, -99, -101})));
                   }});
  table.push_back({"log_softmax", "far_out", kFloats, [](CaseBuilder& b) {
                     b.result(log_softmax(b.values({2, 3}, {100, 99, 0, -100, -99, -101})));
                   }});
}

}  // namespace ag
