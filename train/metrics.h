// Numbers that say how well a network does.
#pragma once

#include <cstdint>

#include "ir/array.h"

namespace ag {

// Of the first `count` rows of scores f32[rows, classes], those whose label i32[rows] is among the
// `k` highest. Equal scores: the lower class counts as higher, as a first-maximum argmax has it;
// NaN scores are never among the highest.
int64_t count_top_k(const Array& scores, const Array& labels, int64_t k, int64_t count);

// A mean of values with weights.
class RunningMean {
 public:
  void add(double value, int64_t weight = 1) {
    sum_ += value * static_cast<double>(weight);
    count_ += weight;
  }
  int64_t count() const { return count_; }
  double value() const { return count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

struct Accuracy {
  int64_t top1 = 0, top5 = 0, count = 0;

  void add(const Array& scores, const Array& labels, int64_t rows);
  double top1_percent() const { return percent(top1); }
  double top5_percent() const { return percent(top5); }

 private:
  double percent(int64_t hits) const {
    return count == 0 ? 0.0 : 100.0 * static_cast<double>(hits) / static_cast<double>(count);
  }
};

}  // namespace ag
