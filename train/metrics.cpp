#include "train/metrics.h"

#include "ir/internal_error.h"

namespace ag {
namespace {

// How many classes score higher than `label`.
int64_t rank_of(std::span<const float> scores, size_t label) {
  int64_t higher = 0;
  for (size_t c = 0; c < scores.size(); ++c) {
    higher += scores[c] > scores[label] || (scores[c] == scores[label] && c < label);
  }
  return higher;
}

}  // namespace

int64_t count_top_k(const Array& scores, const Array& labels, int64_t k, int64_t count) {
  const Shape& shape = scores.shape();
  if (shape.size() != 2 || labels.shape() != Shape{shape[0]} || count > shape[0]) {
    internal_error("top-{} of {} scores {} and labels {}", k, count, to_string(shape),
                   to_string(labels.shape()));
  }
  const auto classes = static_cast<size_t>(shape[1]);
  int64_t hits = 0;
  for (size_t row = 0; row < static_cast<size_t>(count); ++row) {
    const auto label = static_cast<size_t>(labels.as<int32_t>()[row]);
    const auto of_row = scores.as<float>().subspan(row * classes, classes);
    const bool comparable = of_row[label] == of_row[label];
    hits += comparable && rank_of(of_row, label) < k;
  }
  return hits;
}

void Accuracy::add(const Array& scores, const Array& labels, int64_t rows) {
  top1 += count_top_k(scores, labels, 1, rows);
  top5 += count_top_k(scores, labels, 5, rows);
  count += rows;
}

}  // namespace ag
