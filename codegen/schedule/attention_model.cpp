#include "codegen/schedule/attention_model.h"

#include "codegen/schedule/attention_view.h"
#include "codegen/schedule/caches.h"
#include "codegen/schedule/choose.h"

namespace ag {
namespace {

// What a product alone costs: its own tile, and its part of the scores' way through memory.
double cost_alone(const MatmulView& product, const Target& target) {
  return choose_matmul_tile(product, lanes_within(product.lanes, product.columns), target).cost;
}

// Weighs what blocks of rows waste in tiles against writing and reading scores and probabilities,
// in cycles of one core.
class ScheduledAttention : public AttentionModel {
 public:
  explicit ScheduledAttention(const Target& target) : target_(target) {}

  bool pays(const Graph& body) const override {
    constexpr double kNearBytes = 32, kFarBytes = 8;  // a cycle, of a cache
    if (!has_schedule(target_, "attention")) return false;
    const std::optional<AttentionView> view = AttentionView::of(body, target_);
    if (!view) return false;
    const MatmulView &scores = view->scores_view, &values = view->values_view;
    const auto elements = static_cast<double>(scores.batch * scores.rows * scores.columns);
    const auto vectors = elements / static_cast<double>(scores.lanes);
    const double depths = static_cast<double>(scores.depth + values.columns);
    const double apart = (cost_alone(scores, target_) + cost_alone(values, target_)) / 2 +
                         AttentionTiles::kSoftmaxCycles / depths;
    const double joined = AttentionTiles::of(*view, target_).cost;
    constexpr double kPasses = 4;  // scores and probabilities are each written and read
    const double bytes = kPasses * vectors * target_.vector_bytes;
    const bool far = bytes / kPasses > static_cast<double>(kCaches.second) / 2;
    return joined * vectors * depths <
           apart * vectors * depths + bytes / (far ? kFarBytes : kNearBytes);
  }

 private:
  const Target& target_;
};

}  // namespace

std::unique_ptr<AttentionModel> attention_model_of(const Target& target) {
  return std::make_unique<ScheduledAttention>(target);
}

}  // namespace ag
