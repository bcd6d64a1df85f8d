// Training steps, run by the interpreter, against what PyTorch recorded
// (tests/reference/training_steps.py).
#include <doctest/doctest.h>

#include <cmath>

#include "frontend/init/draw.h"
#include "frontend/layers.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "ir/print.h"
#include "tests/recorded.h"
#include "train/training_step.h"

using namespace ag;

namespace {

Tensor mlp(Tensor x) { return linear("fc2", relu(linear("fc1", x, 9)), 3); }

Tensor tiny_cnn(Tensor x) {
  x = conv("conv1", x, 6, {.kernel = 3, .stride = 2, .padding = 1, .bias = false});
  x = relu(batch_norm("bn1", x));
  x = relu(depthwise_conv("conv2", x, {.kernel = 3, .padding = 1}));
  x = max_pool(x, {.kernel = 2, .padding = 1});
  return linear("fc", flatten(adaptive_avg_pool(x, 2)), 4);
}

// Runs steps and carries parameters and state from one to the next.
class Steps {
 public:
  Steps(const Model& model, const StepOptions& options, uint64_t seed = 0)
      : step_(training_step(model, options)) {
    for (const Parameter& parameter : step_.parameters)
      bindings_.insert_or_assign(parameter.name, ReferenceTensor::from(draw(parameter, seed)));
    for (const auto& [name, array] : model.weights())
      bindings_.insert_or_assign(name, ReferenceTensor::from(array));
    bind("learning_rate", Array::of({}, std::vector<float>{0}));
    bindings_.at("learning_rate").floats[0] = options.optimizer.learning_rate;
  }

  void bind(const std::string& name, const Array& array) {
    bindings_.insert_or_assign(name, ReferenceTensor::from(array));
  }
  // Returns the loss.
  double run() {
    std::vector<ReferenceTensor> results = interpret(step_.graph, bindings_);
    double loss = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      const Output& output = step_.graph.outputs()[i];
      if (output.updates) bindings_.at(output.name) = results[i];
      if (output.name == "loss") loss = results[i].number(0);
    }
    return loss;
  }
  const ReferenceTensor& value(const std::string& name) const { return bindings_.at(name); }
  const TrainingStep& step() const { return step_; }

 private:
  TrainingStep step_;
  Bindings bindings_;
};

const Recorded& recorded() {
  static const Recorded archive("training_steps.npz");
  return archive;
}

void check_case(const std::string& name, Network network, const StepOptions& options) {
  CAPTURE(name);
  const Array& x = recorded().array(name + "/x");
  Model model = trace(std::move(network), {.image = x.type()});
  model.set_weights(recorded().below(name + "/begin/"));
  Steps steps(model, options);
  steps.bind("image", x);
  steps.bind("labels", recorded().array(name + "/labels"));
  const Array& losses = recorded().array(name + "/losses");
  for (int64_t i = 0; i < losses.count(); ++i)
    CHECK(steps.run() == doctest::Approx(losses.get_double(i)).epsilon(1e-6));
  for (const auto& [parameter, wanted] : recorded().below(name + "/end/")) {
    CAPTURE(parameter);
    CHECK(difference(steps.value(parameter), wanted) < 1e-6);
  }
}

}  // namespace

TEST_CASE("optimizers move parameters as PyTorch's do") {
  struct Row {
    std::string name;
    Optimizer optimizer;
  };
  const Row rows[] = {
      {"mlp_sgd", sgd(0.1)},
      {"mlp_sgd_momentum", sgd(0.1, {.momentum = 0.9, .weight_decay = 0.01})},
      {"mlp_sgd_nesterov", sgd(0.1, {.momentum = 0.9, .nesterov = true})},
      {"mlp_sgd_dampened", sgd(0.1, {.momentum = 0.9, .dampening = 0.3})},
      {"mlp_adam", adam(0.02)},
      {"mlp_adam_decay", adam(0.02, {.beta1 = 0.8, .beta2 = 0.99, .weight_decay = 0.1})},
      {"mlp_adamw", adamw(0.02, {.weight_decay = 0.1})},
      {"mlp_no_decay", adamw(0.02, {.weight_decay = 0.1, .no_decay = {"*.bias"}})},
  };
  for (const Row& row : rows) check_case(row.name, mlp, {.optimizer = row.optimizer});
}

// From states of zero, without eps, every step of Adam moves a parameter by the learning rate times
// a number of the bias corrections and the betas alone.
TEST_CASE("Adam's bias corrections hold in late steps, and where beta1 is 0") {
  const Model model = trace(mlp, {.image = f32(5, 7)});
  for (const double beta1 : {0.9, 0.0}) {
    for (const int64_t before : {0, 1, 99, 9999, 2000000}) {
      Steps steps(model, {.optimizer = adam(0.02, {.beta1 = beta1, .eps = 0})}, 3);
      steps.bind("image", recorded().array("mlp_sgd/x"));
      steps.bind("labels", recorded().array("mlp_sgd/labels"));
      steps.bind("optimizer.count",
                 Array::of({}, std::vector<int32_t>{static_cast<int32_t>(before)}));
      const double start = steps.value("fc2.bias").number(0);
      steps.run();
      const auto count = static_cast<double>(before + 1);
      const double mean = (1 - beta1) / (1 - std::pow(beta1, count));
      const double square = 0.001 / (1 - std::pow(0.999, count));
      CHECK(std::fabs(steps.value("fc2.bias").number(0) - start) ==
            doctest::Approx(0.02 * mean / std::sqrt(square)).epsilon(1e-6));
    }
  }
}

TEST_CASE("a network with batch norm trains as in PyTorch, running statistics too") {
  check_case("cnn", tiny_cnn,
             {.loss = smoothed_cross_entropy(0.1),
              .optimizer = sgd(0.1, {.momentum = 0.9, .weight_decay = 0.01})});
}

TEST_CASE("the loss falls, with dropout and from drawn weights") {
  auto network = [](Tensor x) {
    return linear("fc2", dropout(relu(linear("fc1", x, 32)), 0.25), 3);
  };
  Model model = trace(network, {.image = f32(5, 7)});
  model.initialize(3);
  Steps steps(model, {.optimizer = adam(0.02)}, 3);
  steps.bind("image", recorded().array("mlp_sgd/x"));
  steps.bind("labels", recorded().array("mlp_sgd/labels"));
  ReferenceTensor first_key = steps.value("rng.key");
  double first = steps.run(), last = first;
  for (int i = 0; i < 60; ++i) last = steps.run();
  CHECK(last < 0.3 * first);
  CHECK(steps.value("rng.key").integers != first_key.integers);
}

TEST_CASE("a frozen parameter has no gradient, no update and no optimizer state") {
  Model model = trace(mlp, {.image = f32(5, 7)});
  Graph graph = training_step(model, {.optimizer = adam(0.1), .freeze = {"fc1.*"}}).graph;
  for (const Output& output : graph.outputs()) CHECK(output.name.find("fc1") == std::string::npos);
  std::string text = print(graph);
  CHECK(text.find("optimizer.exp_avg.fc1") == std::string::npos);
  CHECK(text.find("optimizer.exp_avg.fc2.bias") != std::string::npos);
}

TEST_CASE("the learning rate is an input, the count of steps a state") {
  Model model = trace(mlp, {.image = f32(5, 7)});
  TrainingStep step = training_step(model, {.optimizer = adamw(0.1)}, 9);
  CHECK(step.graph.type(step.graph.find_leaf("image")) == f32(9, 7));
  CHECK(step.graph.type(step.graph.find_leaf("labels")) == tensor_type(DType::i32, {9}));
  CHECK(step.graph.type(step.graph.find_leaf("learning_rate")) == f32(Shape{}));
  CHECK(step.graph.type(step.graph.find_leaf("optimizer.count")) == tensor_type(DType::i32, {}));
  CHECK(step.graph.build_context() == nullptr);
}

TEST_CASE("mistakes in options are named") {
  Model model = trace(mlp, {.image = f32(5, 7)});
  CHECK_THROWS_WITH_AS(training_step(model, {.freeze = {"fc9.*"}}),
                       "error: freeze: 'fc9.*' matches no parameter of network @network\n"
                       "help: `argent inspect` lists the layers; * stands for any text",
                       CompileError);
  CHECK_THROWS_WITH_AS(training_step(model, {.freeze = {"*"}}),
                       "error: training of @network: no parameter is left to train\n"
                       "help: freeze less",
                       CompileError);
  CHECK_THROWS_WITH_AS(sgd(0.1, {.nesterov = true}),
                       "error: sgd: nesterov with momentum 0 and dampening 0\n"
                       "help: nesterov needs a momentum above 0 and no dampening",
                       CompileError);
  CHECK_THROWS_AS(adam(-1), CompileError);
  CHECK_THROWS_AS(adam(1, {.beta1 = 1}), CompileError);
  CHECK_THROWS_AS(smoothed_cross_entropy(1), CompileError);
}
