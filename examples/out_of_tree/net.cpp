// A network of your own, in your own project.
#include <argent/argent.h>

using namespace ag;

Tensor tiny_cnn(Tensor image) {
  Tensor x = relu(conv("conv", image, 8, {.kernel = 3, .stride = 2, .padding = 1}));
  return linear("classes", flatten(max_pool(x, {.kernel = 2})), 10);
}

Model make_net() {
  Model model = trace(tiny_cnn, {.image = f32(1, 1, 16, 16), .name = "tiny_cnn"});
  model.initialize(/*seed=*/1);
  return model;
}
