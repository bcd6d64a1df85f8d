// argent train: a network learns from a data set.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "codegen/target.h"
#include "frontend/weights/weights.h"
#include "tools/command.h"
#include "tools/data_options.h"
#include "tools/network.h"
#include "tools/output_file.h"
#include "tools/recipe.h"
#include "tools/whole_number.h"
#include "train/trainer.h"

namespace ag::commands {
namespace {

// What the command line changes in the recipe.
struct Changes {
  std::optional<std::string> optimizer, schedule, augment;
  std::optional<double> learning_rate, momentum, weight_decay, label_smoothing;
  std::optional<int64_t> epochs, batch;
};

struct TrainArguments {
  std::string model, weights, save, checkpoint, target = "host", winograd = "on";
  Changes changes;
  DataOptions data;
  uint64_t seed = 0;
  int threads = 0;
  int64_t checkpoint_steps = 0;
  bool resume = false, json = false;
};

Recipe changed(Recipe recipe, const Changes& changes) {
  recipe.optimizer = changes.optimizer.value_or(recipe.optimizer);
  recipe.learning_rate = changes.learning_rate.value_or(recipe.learning_rate);
  // A recipe's momentum is its optimizer's own.
  recipe.momentum = changes.momentum.value_or(changes.optimizer ? 0 : recipe.momentum);
  recipe.weight_decay = changes.weight_decay.value_or(recipe.weight_decay);
  recipe.schedule = changes.schedule.value_or(recipe.schedule);
  recipe.augment = changes.augment.value_or(recipe.augment);
  recipe.label_smoothing = changes.label_smoothing.value_or(recipe.label_smoothing);
  recipe.epochs = changes.epochs.value_or(recipe.epochs);
  recipe.batch = changes.batch.value_or(recipe.batch);
  return recipe;
}

Model model_for(const TrainArguments& arguments, const Recipe& recipe, const Dataset& data) {
  NetworkOptions options{.batch = recipe.batch, .weights = arguments.weights};
  if (is_cpp_network(recipe.model)) {
    options.shape = std::to_string(recipe.batch);
    for (int64_t extent : data.image_shape()) options.shape += fmt::format(",{}", extent);
  } else {
    options.classes = data.classes;
  }
  return load_model(recipe.model, options, "train");
}

FitOptions fit_options(const TrainArguments& arguments, const Recipe& recipe) {
  const double epochs = static_cast<double>(recipe.epochs);
  // A schedule that depends on the run's length makes the length part of what must be repeated.
  const bool fixed = recipe.schedule == "constant" || recipe.schedule.find("step:") == 0 ||
                     recipe.schedule.find("multi_step:") == 0;
  const std::string schedule =
      fixed ? recipe.schedule : fmt::format("{} over {} epochs", recipe.schedule, recipe.epochs);
  return {.epochs = recipe.epochs,
          .augmentation = parse_augmentation(recipe.augment),
          .schedule = parse_schedule(recipe.schedule, epochs),
          .checkpoint = arguments.checkpoint,
          .checkpoint_steps = arguments.checkpoint_steps,
          .resume = arguments.resume,
          .settings = {{"schedule", schedule}}};
}

nlohmann::json json_of(const EpochReport& epoch) {
  nlohmann::json row = {{"epoch", epoch.epoch},
                        {"loss", epoch.loss},
                        {"training_accuracy", epoch.accuracy},
                        {"learning_rate", epoch.learning_rate},
                        {"images_per_second", epoch.images_per_second}};
  if (epoch.test) row["test_accuracy"] = epoch.test->accuracy;
  if (epoch.test) row["test_loss"] = epoch.test->loss;
  return row;
}

void print_json(const Model& model, const Dataset& data, const FitReport& report,
                const Evaluation& test) {
  nlohmann::json epochs = nlohmann::json::array();
  for (const EpochReport& epoch : report.epochs) epochs.push_back(json_of(epoch));
  const nlohmann::json result = {{"network", model.name()},
                                 {"data", data.name},
                                 {"steps", report.steps},
                                 {"interrupted", report.interrupted},
                                 {"images_per_second", report.images_per_second},
                                 {"test_accuracy", test.accuracy},
                                 {"test_loss", test.loss},
                                 {"epochs", epochs}};
  fmt::print("{}\n", result.dump(2));
}

// What a stopped run leaves behind.
void print_stopped(const TrainArguments& arguments, const FitReport& report) {
  fmt::print(stderr, "stopped after step {}\n", report.steps);
  if (arguments.checkpoint.empty()) {
    fmt::print(stderr, "help: with --checkpoint DIR a stopped run can go on\n");
  } else {
    fmt::print(stderr, "{} is whole; the same command with --resume goes on from there\n",
               checkpoint_file(arguments.checkpoint));
  }
}

// What becomes of the weights: checked before the training, not after it.
void check_save(const TrainArguments& arguments, const Model& model) {
  if (!arguments.save.empty()) {
    check_weights_file(arguments.save, model.parameters().size());
    check_writable(arguments.save, "--save FILE.safetensors");
  } else if (arguments.checkpoint.empty()) {
    fmt::print(stderr, "note: no --save: the trained weights are not kept\n");
  }
}

int run_command(const TrainArguments& arguments) {
  if (arguments.checkpoint_steps > 0 && arguments.checkpoint.empty()) {
    throw CompileError("train: --checkpoint-steps without --checkpoint")
        .help("name a folder with --checkpoint DIR");
  }
  const Recipe recipe = changed(recipe_for(arguments.model), arguments.changes);
  const Optimizer optimizer = optimizer_of(recipe);
  const Target& target = find_target(arguments.target);
  require_runnable(target);
  FitOptions options = fit_options(arguments, recipe);
  const Datasets data = load_datasets(arguments.data.data);
  Model model = model_for(arguments, recipe, data.train);
  check_save(arguments, model);
  options.normalisation = normalisation_for(arguments.data, model.name(), data.train);
  const Loss loss = recipe.label_smoothing == 0 ? Loss(cross_entropy)
                                                : smoothed_cross_entropy(recipe.label_smoothing);
  Trainer trainer(model, {.loss = loss,
                          .optimizer = optimizer,
                          .batch = recipe.batch,
                          .threads = arguments.threads,
                          .seed = arguments.seed,
                          .target = std::string(target.name),
                          .winograd = arguments.winograd == "on"});
  const FitReport report = trainer.fit(data, options);
  if (report.interrupted) {
    print_stopped(arguments, report);
    return kUserMistake;
  }
  const Evaluation test = report.epochs.empty() ? trainer.evaluate(data.test, options.normalisation)
                                                : *report.epochs.back().test;
  if (!arguments.save.empty()) model.save(arguments.save);
  if (arguments.json)
    print_json(model, data.train, report, test);
  else
    fmt::print("{}: test accuracy {:.2f} %, loss {:.4f}, {:.0f} images/s\n", model.name(),
               test.accuracy, test.loss, report.images_per_second);
  return kSuccess;
}

void add_recipe_options(CLI::App& command, Changes& changes) {
  command.add_option("--epochs", changes.epochs, "times through the training set")
      ->check(whole_number());
  command.add_option("--batch", changes.batch, "images in a step")->check(whole_number());
  command.add_option("--optimizer", changes.optimizer, "sgd, adam or adamw");
  command.add_option("--lr", changes.learning_rate, "learning rate")->check(CLI::Range(0.0, 1e6));
  command.add_option("--momentum", changes.momentum, "of sgd")->check(CLI::Range(0.0, 1.0));
  command.add_option("--weight-decay", changes.weight_decay, "factor of the weight decay")
      ->check(CLI::Range(0.0, 1e6));
  command.add_option("--schedule", changes.schedule,
                     "constant, step:EVERY[:FACTOR], multi_step:E1,E2[:FACTOR], cosine, one_cycle; "
                     "warm_up:EPOCHS+ in front of one");
  command.add_option("--augment", changes.augment, "flip, crop[:PIXELS], or none");
  command
      .add_option("--label-smoothing", changes.label_smoothing, "weight given to all classes alike")
      ->check(CLI::Range(0.0, 1.0));
}

CommandAction add_options(CLI::App& command) {
  auto arguments = std::make_shared<TrainArguments>();
  std::string names;
  for (const Recipe& recipe : recipes())
    names += (names.empty() ? "" : ", ") + std::string(recipe.name);
  command
      .add_option("MODEL", arguments->model,
                  "a recipe (" + names + "), a name of the zoo, or net.cpp[:function]")
      ->required();
  add_data_options(command, arguments->data);
  add_recipe_options(command, arguments->changes);
  command.add_option("--weights", arguments->weights, "begin with these parameters");
  command.add_option("--seed", arguments->seed, "of first weights, order, augmentation, dropout")
      ->check(seed_number());
  command.add_option("--target", arguments->target,
                     "processor level to train on (host); or a GPU: cuda, cuda-sm_80, cuda-sm_90");
  command.add_option("--threads", arguments->threads, "threads to run with (all processors)")
      ->check(whole_number(1, ARGENT_MAX_THREADS));
  command
      .add_option("--winograd", arguments->winograd,
                  "Winograd's algorithm for 3x3 convolutions where it is faster: on, off (on)")
      ->check(CLI::IsMember({"on", "off"}));
  command.add_option("--save", arguments->save, "writes the weights: .safetensors or .npz");
  command.add_option("--checkpoint", arguments->checkpoint,
                     "folder for the state of the run, written after each epoch");
  command
      .add_option("--checkpoint-steps", arguments->checkpoint_steps,
                  "writes it every so many steps too")
      ->check(whole_number());
  command.add_flag("--resume", arguments->resume, "goes on from the checkpoint");
  command.add_flag("--json", arguments->json, "prints the result as JSON");
  return [arguments] { return run_command(*arguments); };
}

}  // namespace

const Command train{
    "train", "train a network on a data set", add_options,
    "  argent train lenet5-mnist --data mnist:data/mnist-sample --save lenet5.safetensors\n"
    "  argent train simple_cnn --data cifar10:DIR --epochs 3 --lr 0.001 --augment flip,crop\n"
    "  argent train net.cpp:make_net --data cifar10:DIR --checkpoint run --resume\n"
    "  argent train resnet20_cifar --data cifar10:DIR --target cuda"};

}  // namespace ag::commands
