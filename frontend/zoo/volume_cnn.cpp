// A small network over three axes, for volumes and short clips (after C3D; Tran, Bourdev, Fergus,
// Torresani, Paluri, "Learning spatiotemporal features with 3D convolutional networks", 2015).
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {

Tensor volume_cnn(Tensor volume, int64_t classes) {
  Tensor x = volume;
  for (int64_t stage = 0; stage < 3; ++stage) {
    Scope scope(fmt::format("stage{}", stage + 1), x);
    x = conv("conv", x, 16 << stage, {.kernel = 3, .padding = 1, .bias = false});
    x = max_pool(relu(batch_norm("bn", x)), {.kernel = 2});
  }
  return linear("fc", flatten(global_avg_pool(x)), classes);
}

}  // namespace ag::zoo
