// A network with a loss, compiled for evaluation on data sets.
#pragma once

#include <optional>

#include "codegen/link/loaded_program.h"
#include "frontend/losses.h"
#include "frontend/model.h"
#include "train/batches.h"
#include "train/metrics.h"

namespace ag {

// Means over a data set.
struct Evaluation {
  double accuracy = 0;  // percent
  double loss = 0;
};

// What evaluation runs on.
struct EvaluatorOptions {
  Loss loss = cross_entropy;
  int64_t batch = 128;  // about: a size that divides the set is preferred
  int threads = 1;
  std::string target = "host";
};

// Weights can be exchanged between evaluations without compiling again.
class Evaluator {
 public:
  // For sets of `count` images. The model needs weights and class labels.
  Evaluator(const Model& model, const EvaluatorOptions& options, int64_t count);

  int64_t count() const { return count_; }
  // Parameters and running statistics by name; others are passed over.
  void set_weights(const WeightMap& weights);
  // Throws CompileError when the set does not have count() images.
  Evaluation evaluate(const Dataset& data, const Normalisation& normalisation);

 private:
  int64_t count_, batch_;
  std::vector<std::string> names_;
  std::optional<ProgramInstance> instance_;
};

}  // namespace ag
