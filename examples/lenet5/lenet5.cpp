// From twenty lines to a native library: lenet5 [MNIST FOLDER]
#include <argent/argent.h>
#include <cstdio>
using namespace ag;

Tensor lenet5(Tensor x) {
  x = max_pool(relu(conv("conv1", x, 6, {.kernel = 5, .padding = 2})), {.kernel = 2});
  x = max_pool(relu(conv("conv2", x, 16, {.kernel = 5})), {.kernel = 2});
  x = relu(linear("fc1", flatten(x), 120));
  x = relu(linear("fc2", x, 84));
  return linear("fc3", x, 10);
}

int main(int argc, char** argv) try {
  Datasets data = mnist(argc > 1 ? argv[1] : "data/mnist-sample");
  Model model = trace(lenet5, {.image = f32(64, 1, 28, 28), .name = "lenet5"});
  Trainer trainer(model, {.loss = cross_entropy, .optimizer = adam(1e-3)});
  FitReport fit = trainer.fit(data.train, {.epochs = 5, .schedule = cosine_schedule(5, 0.05)});
  if (fit.interrupted) {
    std::fputs("stopped: nothing is saved\n", stderr);
    return 1;
  }
  std::printf("test accuracy %.2f %%\n", trainer.evaluate(data.test).accuracy);
  model.save("lenet5.safetensors");
  compile(model, "lenet5.so", {.batch = {1, 64}});
  // Ten digits as the network takes them, for the program that uses lenet5.so.
  Array digits = network_input(first_images(data.test, 10), data.test.normalisation);
  write_file("digits.f32", {digits.data(), digits.size_bytes()});
} catch (const CompileError& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
