// Training and evaluating a network:
//
//   Trainer trainer(model, {.loss = cross_entropy, .optimizer = adam(1e-3), .batch = 64});
//   trainer.fit(mnist("data"), {.epochs = 5});
//   model.save("lenet5.safetensors");
#pragma once

#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/link/loaded_program.h"
#include "train/augment.h"
#include "train/batches.h"
#include "train/dataset.h"
#include "train/evaluator.h"
#include "train/schedule.h"
#include "train/training_step.h"

namespace ag {

struct TrainerOptions {
  Loss loss = cross_entropy;
  Optimizer optimizer = sgd(0.01);
  std::vector<std::string> freeze = {};  // patterns of parameters that keep their values
  int64_t batch = 0;                     // 0: as the model was traced
  int threads = 0;                       // 0: one for each processor
  uint64_t seed = 0;  // of first weights, the order of images, augmentation and dropout
  std::string target = "host";
  bool winograd = true;  // of 3x3 convolutions, where it is faster: errors up to 1e-4 of the range
};

// What is known at an epoch's end.
struct EpochReport {
  int64_t epoch = 0;         // counts from 1
  double loss = 0;           // mean over the steps this run took in it
  double accuracy = 0;       // of the batches as they were trained on, percent
  double learning_rate = 0;  // of the last step
  double images_per_second = 0;
  std::optional<Evaluation> test;  // when there is a test set
};

struct FitOptions {
  int64_t epochs = 1;  // in all; a resumed run has some of them behind it
  Augmentation augmentation = {};
  std::optional<Normalisation> normalisation = {};  // default: the data set's own
  Schedule schedule = constant_schedule();          // factor on the optimizer's learning rate
  // Folder of the checkpoint, which is written at each epoch's end, every `checkpoint_steps` steps
  // when that is not 0, and when SIGINT or SIGTERM stops the run. Empty: none. A run that does not
  // resume is refused where another's checkpoint lies.
  std::string checkpoint = {};
  int64_t checkpoint_steps = 0;
  bool resume = false;  // go on from the checkpoint; the result is that of a run never stopped
  // What else describes the run ({"schedule", "cosine"}): a resumed run must repeat it.
  std::map<std::string, std::string> settings = {};
  std::function<void(const EpochReport&)> on_epoch = {};
  std::FILE* progress = stderr;  // null: silent
};

struct FitReport {
  std::vector<EpochReport> epochs;  // those that this run finished
  int64_t steps = 0;                // taken in all, those before a checkpoint included
  double images_per_second = 0;     // of this run, without compiling and evaluating
  bool interrupted = false;         // stopped by SIGINT or SIGTERM
};

// The file that fit() writes in the folder `checkpoint`.
std::string checkpoint_file(const std::string& folder);

// The compiled training step of a model with its weights and optimizer state. The model must
// outlive it and gets the weights whenever fit() ends. A model without weights is initialized.
class Trainer {
 public:
  // Throws CompileError when the model takes several inputs or the loss wants other labels than
  // class numbers.
  Trainer(Model& model, TrainerOptions options);
  ~Trainer();

  // While it runs, SIGINT and SIGTERM end it after the current step. Throws CompileError when the
  // images do not fit the model's input, when the loss is no longer a number, or when the
  // checkpoint is of another run.
  FitReport fit(const Dataset& data, const FitOptions& options = {});
  // The same, with an evaluation on data.test after each epoch.
  FitReport fit(const Datasets& data, const FitOptions& options = {});

  // With the current weights and running statistics, in inference mode.
  Evaluation evaluate(const Dataset& data, std::optional<Normalisation> normalisation = {});

 private:
  struct Run;
  struct StepResult {
    double loss;
    int64_t correct;
  };

  void compile_step();
  StepResult step(const Batch& batch, double learning_rate);
  FitReport fit(const Dataset& train, const Dataset* test, const FitOptions& options);
  bool train_epoch(Run& run);
  void finish_epoch(Run& run);
  std::map<std::string, std::string> settings_of(const Run& run) const;
  void save(const Run& run);
  void restore(Run& run);
  void copy_weights_to_model();

  Model& model_;
  TrainerOptions options_;
  int64_t batch_;
  TrainingStep step_;
  std::optional<ProgramInstance> instance_;
  std::optional<Evaluator> evaluator_;
};

}  // namespace ag
