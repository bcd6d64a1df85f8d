// Fully connected network: what convolutions are compared with.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {

Tensor fc_baseline(Tensor image, int64_t classes) {
  Tensor x = flatten(image);
  x = relu(linear("fc1", x, 512));
  x = relu(linear("fc2", x, 256));
  return linear("fc3", x, classes);
}

}  // namespace ag::zoo
