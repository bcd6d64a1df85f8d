#include "frontend/optimizers.h"

#include <fmt/format.h>

#include <cmath>

#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

// `gradient` with the decay's pull on the parameter added.
Tensor decayed_gradient(const ParameterStep& p, double weight_decay) {
  if (!p.decays || weight_decay == 0) return p.gradient;
  return p.gradient + p.parameter * weight_decay;
}

// 1 - beta ^ count: the share of a moving average that its zero start has left. In f64, because
// near 1 it is a difference of almost equal numbers. The power is exp(count · ln beta), which errs
// by at most 2^-52 and takes a device a small part of what pow takes.
Tensor bias_correction(OptimizerStep& step, double beta) {
  Tensor count = cast(step.count(), DType::f64);
  if (beta == 0) return full_like(count, 1.0);
  return 1.0 - exp(count * std::log(beta));
}

Tensor sgd_rule(const ParameterStep& p, const SgdOptions& options) {
  Tensor gradient = decayed_gradient(p, options.weight_decay);
  if (options.momentum != 0) {
    Tensor velocity = p.state("momentum");
    Tensor moved = velocity * options.momentum + gradient * (1 - options.dampening);
    if (options.dampening != 0) {  // PyTorch's first step is not dampened
      Tensor first = p.step.shared("first", [&] { return equal(p.step.count(), 1.0); });
      moved = select(broadcast_to(first, gradient.shape()), gradient, moved);
    }
    p.update(velocity, moved);
    gradient = options.nesterov ? gradient + moved * options.momentum : moved;
  }
  return p.parameter - gradient * cast(p.step.learning_rate, p.parameter.dtype());
}

// Adam's step from `parameter` along `gradient`.
Tensor adam_step(const ParameterStep& p, Tensor parameter, Tensor gradient,
                 const AdamOptions& options) {
  OptimizerStep& step = p.step;
  Tensor mean = p.state("exp_avg"), square = p.state("exp_avg_sq");
  Tensor new_mean = mean * options.beta1 + gradient * (1 - options.beta1);
  Tensor new_square = square * options.beta2 + gradient * gradient * (1 - options.beta2);
  p.update(mean, new_mean);
  p.update(square, new_square);
  Tensor size = step.shared("adam.size", [&] {
    return cast(step.learning_rate, DType::f64) / bias_correction(step, options.beta1);
  });
  Tensor scale =
      step.shared("adam.scale", [&] { return rsqrt(bias_correction(step, options.beta2)); });
  const DType dtype = parameter.dtype();
  return parameter -
         new_mean * cast(size, dtype) / (sqrt(new_square) * cast(scale, dtype) + options.eps);
}

bool matches(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    for (size_t skipped = 0; skipped <= name.size(); ++skipped)
      if (matches(name.substr(skipped), pattern.substr(1))) return true;
    return false;
  }
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) &&
         matches(name.substr(1), pattern.substr(1));
}

void check(bool good, std::string_view optimizer, std::string_view what, double value,
           std::string_view wanted) {
  if (good) return;
  throw CompileError(fmt::format("{}: {} is {}", optimizer, what, value))
      .help(fmt::format("choose {}", wanted));
}

Optimizer adam_like(std::string name, double learning_rate, const AdamOptions& options,
                    std::function<Tensor(const ParameterStep&)> rule) {
  check(learning_rate >= 0, name, "the learning rate", learning_rate, "a number from 0");
  check(options.beta1 >= 0 && options.beta1 < 1, name, "beta1", options.beta1, "one in [0, 1)");
  check(options.beta2 >= 0 && options.beta2 < 1, name, "beta2", options.beta2, "one in [0, 1)");
  check(options.eps >= 0, name, "eps", options.eps, "a number from 0");
  return {std::move(name), learning_rate, std::move(rule), options.no_decay};
}

}  // namespace

Tensor ParameterStep::state(std::string_view name) const {
  const std::string& leaf = parameter.graph().leaf_name(parameter.value());
  return step.context().global_state(fmt::format("optimizer.{}.{}", name, leaf), parameter.type(),
                                     zeros());
}

Tensor OptimizerStep::shared(const std::string& name, const std::function<Tensor()>& make) {
  auto found = shared_.find(name);
  if (found == shared_.end()) found = shared_.emplace(name, make()).first;
  return found->second;
}

Tensor OptimizerStep::count() {
  return shared("count", [&] {
    Tensor before = context_.global_state("optimizer.count", tensor_type(DType::i32, {}), zeros());
    context_.update(before, before + 1.0);
    return Tensor(context_.graph(), context_.graph().output("optimizer.count"));
  });
}

Optimizer sgd(double learning_rate, SgdOptions options) {
  check(learning_rate >= 0, "sgd", "the learning rate", learning_rate, "a number from 0");
  check(options.momentum >= 0, "sgd", "momentum", options.momentum, "a number from 0");
  if (options.nesterov && (options.momentum <= 0 || options.dampening != 0)) {
    throw CompileError(fmt::format("sgd: nesterov with momentum {} and dampening {}",
                                   options.momentum, options.dampening))
        .help("nesterov needs a momentum above 0 and no dampening");
  }
  return {"sgd", learning_rate, [options](const ParameterStep& p) { return sgd_rule(p, options); },
          options.no_decay};
}

Optimizer adam(double learning_rate, AdamOptions options) {
  return adam_like("adam", learning_rate, options, [options](const ParameterStep& p) {
    return adam_step(p, p.parameter, decayed_gradient(p, options.weight_decay), options);
  });
}

Optimizer adamw(double learning_rate, AdamOptions options) {
  return adam_like("adamw", learning_rate, options, [options](const ParameterStep& p) {
    Tensor parameter = p.parameter;
    if (p.decays && options.weight_decay != 0) {
      Tensor kept = p.step.shared("adamw.kept", [&] {
        return 1.0 - cast(p.step.learning_rate, DType::f64) * options.weight_decay;
      });
      parameter = parameter * cast(kept, parameter.dtype());
    }
    return adam_step(p, parameter, p.gradient, options);
  });
}

bool matches_any(std::string_view name, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns)
    if (matches(name, pattern)) return true;
  return false;
}

}  // namespace ag
