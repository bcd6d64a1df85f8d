// A small network over one axis, for waveforms: spoken digits at 8 kHz (after M5; Dai, Dai, Qu, Li,
// Das, "Very deep convolutional neural networks for raw waveforms", 2017).
#include <fmt/format.h>

#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {

Tensor temporal_cnn(Tensor signal, int64_t classes) {
  Tensor x = conv("conv1", signal, 32, {.kernel = 80, .stride = 4, .padding = 38, .bias = false});
  x = max_pool(relu(batch_norm("bn1", x)), {.kernel = 4});
  for (int64_t stage = 0; stage < 3; ++stage) {
    Scope scope(fmt::format("stage{}", stage + 1), x);
    x = conv("conv", x, 32 << stage, {.kernel = 3, .padding = "same", .bias = false});
    x = max_pool(relu(batch_norm("bn", x)), {.kernel = 4});
  }
  return linear("fc", flatten(global_avg_pool(x)), classes);
}

}  // namespace ag::zoo
