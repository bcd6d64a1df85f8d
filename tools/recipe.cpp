#include "tools/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "ir/diagnostics.h"

namespace ag {
namespace {

// Published settings, but for the number of epochs of the last three, which is the course's.
const Recipe kRecipes[] = {
    {.name = "lenet5-mnist",
     .model = "lenet5",
     .optimizer = "adam",
     .learning_rate = 0.001,
     .epochs = 5,
     .batch = 64},
    // He et al., "Deep residual learning for image recognition", 2015, section 4.2.
    {.name = "resnet20-cifar10",
     .model = "resnet20_cifar",
     .optimizer = "sgd",
     .learning_rate = 0.1,
     .epochs = 182,
     .batch = 128,
     .momentum = 0.9,
     .weight_decay = 1e-4,
     .schedule = "multi_step:91,136",
     .augment = "flip,crop"},
    {.name = "simple_cnn-cifar10",
     .model = "simple_cnn",
     .optimizer = "adam",
     .learning_rate = 0.001,
     .epochs = 3,
     .batch = 128,
     .augment = "flip,crop"},
    {.name = "deeper_cnn-cifar10",
     .model = "deeper_cnn",
     .optimizer = "adam",
     .learning_rate = 0.001,
     .epochs = 10,
     .batch = 128,
     .augment = "flip,crop"},
    {.name = "modern_cnn-cifar10",
     .model = "modern_cnn",
     .optimizer = "sgd",
     .learning_rate = 0.1,
     .epochs = 20,
     .batch = 128,
     .momentum = 0.9,
     .weight_decay = 5e-4,
     .schedule = "one_cycle",
     .augment = "flip,crop"},
};

Optimizer make_sgd(const Recipe& recipe) {
  return sgd(recipe.learning_rate,
             {.momentum = recipe.momentum, .weight_decay = recipe.weight_decay});
}
Optimizer make_adam(const Recipe& recipe) {
  return adam(recipe.learning_rate, {.weight_decay = recipe.weight_decay});
}
Optimizer make_adamw(const Recipe& recipe) {
  return adamw(recipe.learning_rate, {.weight_decay = recipe.weight_decay});
}

struct OptimizerRow {
  std::string_view name;
  Optimizer (*make)(const Recipe& recipe);
};
constexpr OptimizerRow kOptimizers[] = {
    {"adam", make_adam}, {"adamw", make_adamw}, {"sgd", make_sgd}};

int64_t crop_padding(std::string_view word, const std::string& text) {
  constexpr std::string_view kCrop = "crop:";
  if (word == "crop") return 4;
  int64_t padding = 0;
  const char* end = word.data() + word.size();
  const bool crop = word.starts_with(kCrop);
  const auto parsed = std::from_chars(word.data() + (crop ? kCrop.size() : 0), end, padding);
  if (crop && parsed.ec == std::errc() && parsed.ptr == end && padding >= 0) return padding;
  throw CompileError(fmt::format("--augment '{}': '{}' is not known", text, word))
      .help("write flip, crop or crop:PIXELS, with commas between");
}

}  // namespace

std::span<const Recipe> recipes() { return kRecipes; }

Recipe recipe_for(const std::string& name) {
  for (const Recipe& recipe : kRecipes)
    if (recipe.name == name) return recipe;
  return {.name = "",
          .model = name,
          .optimizer = "adam",
          .learning_rate = 0.001,
          .epochs = 10,
          .batch = 64};
}

Optimizer optimizer_of(const Recipe& recipe) {
  auto row = std::ranges::find(kOptimizers, recipe.optimizer, &OptimizerRow::name);
  if (row == std::end(kOptimizers)) {
    throw CompileError(fmt::format("--optimizer '{}' is not known", recipe.optimizer))
        .help("the optimizers are sgd, adam and adamw");
  }
  if (recipe.momentum != 0 && recipe.optimizer != "sgd") {
    throw CompileError(
        fmt::format("--momentum {}: {} takes none", recipe.momentum, recipe.optimizer))
        .help("leave it out, or use --optimizer sgd");
  }
  return row->make(recipe);
}

Augmentation parse_augmentation(const std::string& text) {
  Augmentation augmentation;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "flip")
      augmentation.flip = true;
    else if (word != "none")
      augmentation.crop_padding = crop_padding(word, text);
  }
  return augmentation;
}

}  // namespace ag
