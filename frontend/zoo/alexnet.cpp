// AlexNet in its one-tower form (Krizhevsky, "One weird trick for parallelizing convolutional
// neural networks", 2014), as in torchvision.
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag::zoo {
namespace {

Tensor features(Tensor x) {
  const PoolLayer pool{.kernel = 3, .stride = 2};
  x = relu(conv("0", x, 64, {.kernel = 11, .stride = 4, .padding = 2}));
  x = max_pool(x, pool);
  x = relu(conv("3", x, 192, {.kernel = 5, .padding = 2}));
  x = max_pool(x, pool);
  x = relu(conv("6", x, 384, {.kernel = 3, .padding = 1}));
  x = relu(conv("8", x, 256, {.kernel = 3, .padding = 1}));
  x = relu(conv("10", x, 256, {.kernel = 3, .padding = 1}));
  return max_pool(x, pool);
}

Tensor classifier(Tensor x, int64_t classes) {
  x = relu(linear("1", dropout(x, 0.5), 4096));
  x = relu(linear("4", dropout(x, 0.5), 4096));
  return linear("6", x, classes);
}

}  // namespace

Tensor alexnet(Tensor image, int64_t classes) {
  Tensor x = in_scope("features", image, features);
  x = flatten(adaptive_avg_pool(x, 6));
  Scope scope("classifier", x);
  return classifier(x, classes);
}

}  // namespace ag::zoo
