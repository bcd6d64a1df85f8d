// LeNet-5 (LeCun, Bottou, Bengio, Haffner, 1998) as it is taught today: ReLU, max-pooling, 28x28.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {

Tensor lenet5(Tensor image, int64_t classes) {
  Tensor x = relu(conv("conv1", image, 6, {.kernel = 5, .padding = 2}));
  x = max_pool(x, {.kernel = 2});
  x = relu(conv("conv2", x, 16, {.kernel = 5}));
  x = flatten(max_pool(x, {.kernel = 2}));
  x = relu(linear("fc1", x, 120));
  x = relu(linear("fc2", x, 84));
  return linear("fc3", x, classes);
}

}  // namespace ag::zoo
