// One step of training as a graph: forward, loss, backward, optimizer, running statistics, random
// key.
#pragma once

#include <string>
#include <vector>

#include "frontend/losses.h"
#include "frontend/model.h"
#include "frontend/optimizers.h"

namespace ag {

struct StepOptions {
  Loss loss = cross_entropy;
  Optimizer optimizer = sgd(0.01);
  // Parameters whose names match one of these patterns ("layer1.*") keep their values, and no
  // gradient is computed for them.
  std::vector<std::string> freeze = {};
};

struct TrainingStep {
  // Inputs: those of the model, "labels", "learning_rate" (f32, one number). Outputs: "loss" (one
  // number) and, for class labels, "correct" (i32: how many rows of the batch are classified
  // right). Updates: every parameter that is trained, and all state.
  Graph graph;
  // Every parameter and state of the graph and how it begins: those of the model, then those of the
  // optimizer.
  std::vector<Parameter> parameters;
};

// The step of `model` for batches of `batch` examples; 0: as many as it was traced with. The loss
// is that of the model's first output. Throws CompileError when a freeze pattern matches no
// parameter, or when they leave none to train.
TrainingStep training_step(const Model& model, const StepOptions& options, int64_t batch = 0,
                           std::source_location where = std::source_location::current());

}  // namespace ag
