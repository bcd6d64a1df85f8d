// Optimizers: how parameters move along their gradients, as graphs. Formulas, defaults and the
// order of operations are PyTorch's.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/context.h"

namespace ag {

// What the updates of all parameters have in common.
class OptimizerStep {
 public:
  OptimizerStep(BuildContext& context, Tensor learning_rate)
      : learning_rate(learning_rate), context_(context) {}

  const Tensor learning_rate;  // f32, one number
  // How often the step was taken, this one included: i32, one number.
  Tensor count();
  // A number that `make` computes once for all parameters.
  Tensor shared(const std::string& name, const std::function<Tensor()>& make);

  BuildContext& context() const { return context_; }

 private:
  BuildContext& context_;
  std::map<std::string, Tensor> shared_;
};

// What the update of one parameter sees.
struct ParameterStep {
  OptimizerStep& step;
  const Tensor parameter, gradient;
  const bool decays;  // whether weight decay applies to it

  // A state like the parameter, zero at first: "optimizer.momentum.conv1.weight".
  Tensor state(std::string_view name) const;
  void update(const Tensor& state, Tensor value) const { step.context().update(state, value); }
};

// An update rule: takes a step, updates its states, returns the parameter's new value.
struct Optimizer {
  std::string name;
  double learning_rate;  // where a schedule starts; the step takes it as an input
  std::function<Tensor(const ParameterStep&)> rule;
  // Parameters whose name matches one of these patterns ("*.bias", "bn?.*") do not decay.
  std::vector<std::string> no_decay = {};
};

struct SgdOptions {
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;  // added to the gradient
  bool nesterov = false;
  std::vector<std::string> no_decay = {};
};
Optimizer sgd(double learning_rate, SgdOptions options = {});

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  // adam: added to the gradient; adamw: taken off the parameter
  std::vector<std::string> no_decay = {};
};
// Kingma and Ba, 2014.
Optimizer adam(double learning_rate, AdamOptions options = {});
// Loshchilov and Hutter, "Decoupled weight decay regularization", 2017. PyTorch's default decay is
// 0.01.
Optimizer adamw(double learning_rate, AdamOptions options = {.weight_decay = 0.01});

// Whether `name` matches one of the patterns, where * stands for any text and ? for one character.
bool matches_any(std::string_view name, const std::vector<std::string>& patterns);

}  // namespace ag
