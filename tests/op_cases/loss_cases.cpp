#include "ir/ops/loss.h"
#include "tests/op_cases.h"

namespace ag {

void add_loss_cases(OpCases& table) {
  auto row = [&](const char* label, Shape logits, DType label_dtype, double smoothing) {
    table.push_back({"cross_entropy", label, kFloats, [=](CaseBuilder& b) {
                       Tensor x = b.operand(logits, -4, 4);
                       Shape shape = logits;
                       shape.erase(shape.begin() + 1);
                       Tensor labels = b.indices(shape, 0, logits[1] - 1, label_dtype);
                       b.result(cross_entropy(x, labels, smoothing));
                     }});
  };
  row("i32", {7, 10}, DType::i32, 0);
  row("i64", {7, 10}, DType::i64, 0);
  row("smoothed", {5, 7}, DType::i32, 0.1);
  row("pixels", {2, 3, 4, 5}, DType::i64, 0);
  row("pixels_smoothed", {2, 3, 5}, DType::i64, 0.3);
  row("one_sample", {1, 5}, DType::i32, 0.1);
  row("one_class", {3, 1}, DType::i32, 0.1);
  row("many_classes", {3, 101}, DType::i32, 0.2);
  for (DType labels : kIntegers) {
    if (labels != DType::i32 && labels != DType::i64)
      row(name_of(labels).data(), {5, 7}, labels, 0);
  }
  table.push_back({"mse_loss", "odd", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({3, 5});
                     b.result(mse_loss(x, b.operand({3, 5})));
                   }});
}

}  // namespace ag
