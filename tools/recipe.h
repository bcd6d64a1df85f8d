// How networks are trained: recipes by name, and the words of the command line.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "frontend/optimizers.h"
#include "train/augment.h"

namespace ag {

// Everything a training run is told, in the command line's words.
struct Recipe {
  std::string_view name;  // "lenet5-mnist"
  std::string model;      // as load_model() takes it
  std::string optimizer;  // sgd, adam or adamw
  double learning_rate;
  int64_t epochs;
  int64_t batch;
  double momentum = 0;
  double weight_decay = 0;
  std::string schedule = "constant";
  std::string augment = "";  // "flip,crop"
  double label_smoothing = 0;
};

std::span<const Recipe> recipes();
// The recipe called `name`, else a plain one for the model `name`: Adam, 10 epochs.
Recipe recipe_for(const std::string& name);

// Throws CompileError when the optimizer is none of ours, or momentum is given to one without it.
Optimizer optimizer_of(const Recipe& recipe);
// "flip", "crop" (by 4 pixels), "crop:N", several with commas between. Throws CompileError.
Augmentation parse_augmentation(const std::string& text);

}  // namespace ag
