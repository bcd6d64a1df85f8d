#include "train/training_step.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/ops/leaf.h"
#include "passes/autograd.h"

namespace ag {
namespace {

std::vector<Tensor> trained_parameters(const BuildContext& context,
                                       const std::vector<std::string>& freeze) {
  std::vector<Tensor> trained;
  for (const Parameter& parameter : context.parameters()) {
    if (!parameter.trained || matches_any(parameter.name, freeze)) continue;
    trained.emplace_back(context.graph(), context.graph().find_leaf(parameter.name));
  }
  return trained;
}

void check_freeze(const Model& model, const StepOptions& options) {
  for (const std::string& pattern : options.freeze) {
    auto matched = [&](const Parameter& parameter) {
      return parameter.trained && matches_any(parameter.name, {pattern});
    };
    if (std::any_of(model.parameters().begin(), model.parameters().end(), matched)) continue;
    throw CompileError(
        fmt::format("freeze: '{}' matches no parameter of network @{}", pattern, model.name()))
        .help("`argent inspect` lists the layers; * stands for any text");
  }
}

// Nodes that move a parameter are located where its layer was made.
void move_parameters(BuildContext& context, const std::vector<Tensor>& trained,
                     std::span<const Tensor> gradients, Tensor learning_rate,
                     const Optimizer& optimizer) {
  Graph& graph = context.graph();
  OptimizerStep step(context, learning_rate);
  for (size_t i = 0; i < trained.size(); ++i) {
    const std::string name = graph.leaf_name(trained[i].value());
    LocationGuard location(graph, Location(graph.node(trained[i].value()).location));
    ScopeGuard scope(graph, "optimizer." + name);
    ParameterStep one{step, trained[i], gradients[i], !matches_any(name, optimizer.no_decay)};
    graph.add_update(name, optimizer.rule(one).value());
  }
}

// What a step adds behind the network.
struct Ends {
  Tensor learning_rate, loss;
};

Ends make_ends(Graph& graph, Tensor prediction, const Loss& loss, std::source_location where) {
  LocationGuard location(graph, where);
  Tensor labels = input(graph, "labels", loss.label_type(prediction.type()));
  Ends ends{input(graph, "learning_rate", f32(Shape{})), loss.function(prediction, labels)};
  graph.add_output("loss", ends.loss.value());
  if (loss.labels == LabelKind::class_index)
    graph.add_output("correct", correct_count(prediction, labels).value());
  return ends;
}

}  // namespace

TrainingStep training_step(const Model& model, const StepOptions& options, int64_t batch,
                           std::source_location where) {
  check_freeze(model, options);
  TrainingStep step{Graph(model.name() + ".step"), {}};
  Graph& graph = step.graph;
  BuildContext context(graph, Mode::training);
  Tensor prediction = model.build(context, batch)[0].tensor;
  Ends ends = make_ends(graph, prediction, options.loss, where);
  std::vector<Tensor> trained = trained_parameters(context, options.freeze);
  if (trained.empty()) {
    throw CompileError(fmt::format("training of @{}: no parameter is left to train", model.name()))
        .help("freeze less");
  }
  std::vector<Tensor> moved_along = gradients(ends.loss, trained);
  move_parameters(context, trained, moved_along, ends.learning_rate, options.optimizer);
  step.parameters = context.parameters();
  graph.set_build_context(nullptr);
  return step;
}

}  // namespace ag
