// fast_variance: batch norm's statistics in one reading
//
// Σ (x − mean)² over a batch needs the mean first, so x is read twice. With s a guess of the mean
// and d = x − s,
//
//   mean = s + Σ d / n        variance = Σ d² / n − (Σ d / n)²
//
// and both sums come from one reading, in one kernel. The guess is the mean of a sample: the first
// examples, one in 32.
//
//   %1, %2, %3 = batch_norm_training(%x, %scale, %shift)
//                                     =>    %1: f32[16] = … reduce_sum(slice(%x, …)) …
//                                           %2 = subtract(%x, broadcast(%1))
//                                           %3: f32[16] = reduce_sum(%2, axes=[0,2,3])
//                                           %4: f32[16] = reduce_sum(multiply(%2, %2), …)
//                                           … mean, variance; normalised as in the expansion
//
// The difference of the two sums loses log2(1 + (s − mean)² / variance) bits, about none when the
// sample is like the rest, however large the mean is; it is cut off at 0. A single value of the
// channel as the guess costs several bits wherever that value is an outlier, as corners of images
// are.
//
// Runs before expand, which writes out the two readings of the definition. Row-wise normalisations
// are left to it: their rows stay in the cache.
#include <numeric>

#include "ir/ops/leaf.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {
namespace {

// One example in so many belongs to the sample.
constexpr int64_t kSampled = 32;

std::vector<int> all_but_channels(int rank) {
  std::vector<int> axes(rank - 1);
  std::iota(axes.begin(), axes.end(), 1);
  axes[0] = 0;
  return axes;
}

// Each channel's mean over the first examples.
Tensor mean_of_sample(Tensor x) {
  Integers limit = x.shape();
  limit[0] = (limit[0] + kSampled - 1) / kSampled;
  return reduce_mean(slice(x, Integers(x.rank(), 0), limit), all_but_channels(x.rank()));
}

BatchNormResults in_one_reading(Tensor x, Tensor scale, Tensor bias, double epsilon) {
  auto spread = [&](Tensor vector) { return broadcast(vector, x.shape(), {1}); };
  std::vector<int> axes = all_but_channels(x.rank());
  Tensor guess = mean_of_sample(x);
  Tensor shifted = x - spread(guess);
  Tensor offset = reduce_mean(shifted, axes);
  Tensor variance = maximum(reduce_mean(shifted * shifted, axes) - offset * offset, 0.0);
  Tensor mean = guess + offset;
  Tensor factor = scale * rsqrt(variance + epsilon);
  return {(x - spread(mean)) * spread(factor) + spread(bias), mean, variance};
}

}  // namespace

Graph fast_variance(const Graph& graph) {
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!node.is(ops::batch_norm_training)) {
      copy.node(i);
      continue;
    }
    LocationGuard location(copy.graph(), node.location);
    std::vector<Tensor> operands = copy.operands(node);
    BatchNormResults results =
        in_one_reading(operands[0], operands[1], operands[2], node.attributes.number("epsilon"));
    copy.replace({i, 0}, results.y);
    copy.replace({i, 1}, results.mean);
    copy.replace({i, 2}, results.variance);
  }
  return dce(copy.finish());
}

}  // namespace ag
