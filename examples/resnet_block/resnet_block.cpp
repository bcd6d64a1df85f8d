// A residual network of your own: what the compiler sees, what it costs, how it is trained.
#include <argent/argent.h>

#include <iostream>

using namespace ag;

Tensor basic_block(Tensor x, int64_t width, int64_t stride) {
  Tensor y = conv("conv1", x, width, {.kernel = 3, .stride = stride, .padding = 1, .bias = false});
  y = relu(batch_norm("bn1", y));
  y = batch_norm("bn2", conv("conv2", y, width, {.kernel = 3, .padding = 1, .bias = false}));
  if (stride != 1 || x.channels() != width) {
    x = conv("downsample.0", x, width, {.kernel = 1, .stride = stride, .bias = false});
    x = batch_norm("downsample.1", x);
  }
  return relu(x + y);
}

Tensor residual_network(Tensor image) {
  Tensor x = conv("conv1", image, 16, {.kernel = 3, .padding = 1, .bias = false});
  x = relu(batch_norm("bn1", x));
  for (int stage = 0; stage < 2; ++stage) {
    Scope scope("layer" + std::to_string(stage + 1) + ".0", x);  // layer1.0.conv1.weight …
    x = basic_block(x, 16 << stage, stage + 1);
  }
  return linear("fc", flatten(global_avg_pool(x)), 10);
}

int main() {
  try {
    Model model = trace(residual_network, {.image = f32(1, 3, 32, 32), .name = "residual"});
    std::cout << print(model.forward()) << "\n";

    for (const LayerRow& row : analyse(model.forward()).layers) {
      if (row.parameters > 0)
        std::cout << row.name << ": " << row.parameters << " parameters, " << row.macs << " MACs\n";
    }

    // Forward, loss, backward and optimizer as one graph: it returns the loss and updates weights,
    // momentum and running statistics.
    TrainingStep step = training_step(
        model, {.loss = cross_entropy, .optimizer = sgd(0.1, {.momentum = 0.9, .nesterov = true})},
        /*batch=*/128);
    std::cout << "\none training step: " << step.graph.size() << " nodes\n";
    for (const Output& output : step.graph.outputs())
      if (!output.updates) std::cout << "returns " << output.name << "\n";
  } catch (const CompileError& error) {
    std::cerr << error.what() << "\n";  // with the line of this file
    return 1;
  }
}
