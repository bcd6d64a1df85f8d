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

// Weighs what blocks of rows waste in tiles against scores and probabilities that leave the caches,
// in cycles of one core. Where they stay, one kernel is no faster than three, whose tiles are
// freer.
class ScheduledAttention : public AttentionModel {
 public:
  explicit ScheduledAttention(const Target& target) : target_(target) {}

  bool pays(const Graph& body) const override {
    constexpr double kFarBytes = 8, kJoined = 1.05;  // a cycle; what joining costs beyond tiles
    if (!has_schedule(target_, "attention")) return false;
    const std::optional<AttentionView> view = AttentionView::of(body, target_);
    if (!view) return false;
    const MatmulView &scores = view->scores_view, &values = view->values_view;
    const auto vectors = static_cast<double>(scores.batch * scores.rows * scores.columns) /
                         static_cast<double>(scores.lanes);
    const double depths = static_cast<double>(scores.depth + values.columns);
    const double apart = (cost_alone(scores, target_) + cost_alone(values, target_)) / 2 +
                         AttentionTiles::kSoftmaxCycles / depths;
    const double joined = kJoined * AttentionTiles::of(*view, target_).cost;
    const double bytes = 2 * vectors * target_.vector_bytes;  // scores and probabilities
    const bool far = bytes > static_cast<double>(kCaches.third) / 2;
    const double traffic = far ? 2 * bytes / kFarBytes : 0;  // written and read
    return joined * vectors * depths < apart * vectors * depths + traffic;
  }

 private:
  const Target& target_;
};

}  // namespace

std::unique_ptr<AttentionModel> attention_model_of(const Target& target) {
  return std::make_unique<ScheduledAttention>(target);
}

}  // namespace ag
