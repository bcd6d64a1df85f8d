#include "train/trainer.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "codegen/compile.h"
#include "codegen/kernel/request.h"
#include "deploy/compile.h"
#include "frontend/init/draw.h"
#include "ir/file.h"
#include "ir/print.h"
#include "train/checkpoint.h"
#include "train/interruption.h"
#include "train/metrics.h"
#include "train/progress.h"

namespace ag {
namespace {

double seconds_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

int thread_count(int threads) {
  return threads > 0 ? threads
                     : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

int64_t batch_of(const Model& model, int64_t batch) {
  if (model.inputs().size() != 1) {
    throw CompileError(fmt::format("training of @{}: it has {} inputs; a data set of images gives "
                                   "one",
                                   model.name(), model.inputs().size()))
        .help("build the step with training_step() and feed it yourself");
  }
  return batch > 0 ? batch : model.inputs()[0].type.shape[0];
}

void check_images(const Model& model, const Dataset& data, int64_t batch) {
  Shape wanted = model.inputs()[0].type.shape;
  Shape given = data.image_shape();
  wanted[0] = batch;
  given.insert(given.begin(), batch);
  if (wanted != given) {
    throw CompileError(fmt::format("{} has images {}, but input '{}' of @{} takes {}", data.name,
                                   to_string(f32(given)), model.inputs()[0].name, model.name(),
                                   to_string(f32(wanted))))
        .help("trace the network for these images, or use another data set");
  }
}

void check_classes(const Model& model, const Dataset& data) {
  const Graph& graph = model.forward();
  const Shape& scores = graph.type(graph.outputs()[0].value).shape;
  if (scores.size() == 2 && scores[1] == data.classes) return;
  throw CompileError(fmt::format("{} has {} classes, but @{} gives scores {}", data.name,
                                 data.classes, model.name(), to_string(f32(scores))))
      .help(fmt::format("let the network's last layer have {} outputs", data.classes));
}

void check_loss(double loss, int64_t step, double learning_rate) {
  if (std::isfinite(loss)) return;
  throw CompileError(
      fmt::format("the loss of step {} is {}; the learning rate is {}", step, loss, learning_rate))
      .help("use a smaller learning rate");
}

// Before the first step: a run must not end with a checkpoint that cannot be written, nor write
// over that of another run.
void check_checkpoint(const FitOptions& options) {
  if (options.checkpoint.empty()) return;
  const std::string path = checkpoint_file(options.checkpoint);
  if (!options.resume && std::filesystem::exists(path)) {
    throw CompileError(fmt::format("{} is the checkpoint of an earlier run", path))
        .help("resume that run (--resume), or name another folder");
  }
  std::error_code error;  // the file's own error says more
  std::filesystem::create_directories(options.checkpoint, error);
  AtomicFile probe(path);
}

}  // namespace

std::string checkpoint_file(const std::string& folder) {
  return (std::filesystem::path(folder) / "checkpoint.safetensors").string();
}

// Where a call of fit() stands.
struct Trainer::Run {
  const Dataset& train;
  const Dataset* test;
  const FitOptions& options;
  const Normalisation normalisation;
  BatchPosition position = {};  // of the next batch
  int64_t steps_per_epoch = 0;
  FitReport report = {};
  double seconds = 0;  // spent in steps
  int64_t own_steps = 0;
  BatchStream* stream = nullptr;
  Progress* progress = nullptr;
  InterruptionGuard interruption = {};

  void took_step(double loss, double accuracy) {
    ++position.batch;
    ++report.steps;
    ++own_steps;
    if (progress) progress->step(loss, accuracy);
    report.interrupted = interruption.interrupted();
  }
  // In the middle of an epoch; its end has one anyway.
  bool wants_checkpoint() const {
    const int64_t every = options.checkpoint_steps;
    return position.batch < steps_per_epoch &&
           (report.interrupted || (every > 0 && report.steps % every == 0));
  }
  double time() const {  // in epochs
    return static_cast<double>(report.steps) / static_cast<double>(steps_per_epoch);
  }
  int64_t steps_done() const { return position.epoch * steps_per_epoch + position.batch; }
};

Trainer::Trainer(Model& model, TrainerOptions options)
    : model_(model),
      options_(std::move(options)),
      batch_(batch_of(model, options_.batch)),
      step_(training_step(
          model,
          {.loss = options_.loss, .optimizer = options_.optimizer, .freeze = options_.freeze},
          batch_)) {
  if (options_.loss.labels != LabelKind::class_index) {
    throw CompileError(fmt::format(
        "training of @{}: the loss wants labels like the prediction, but data sets have classes",
        model.name()));
  }
  if (model_.weights().empty()) model_.initialize(options_.seed);
  compile_step();
}

Trainer::~Trainer() = default;

void Trainer::compile_step() {
  WeightMap values = model_.weights();
  for (const Parameter& parameter : step_.parameters) {
    if (!values.contains(parameter.name)) values[parameter.name] = draw(parameter, options_.seed);
  }
  CompileSettings settings;
  settings.target = options_.target;
  settings.lowering.winograd = options_.winograd;
  const ProgramEntry entry{"step", step_.graph};
  CompiledProgram compiled =
      compile_graphs(c_identifier(step_.graph.name()), {&entry, 1}, values, settings);
  instance_.emplace(
      LoadedProgram::in_memory(compiled.program)->instance(thread_count(options_.threads)));
}

Trainer::StepResult Trainer::step(const Batch& batch, double learning_rate) {
  const Array rate = Array::of({}, std::vector<float>{static_cast<float>(learning_rate)});
  const argent_entry_info& entry = instance_->program().library().entries[0];
  std::vector<const Array*> inputs;
  for (uint32_t i = 0; i < entry.input_count; ++i) {
    const std::string_view name = entry.inputs[i]->name;
    inputs.push_back(name == "labels"          ? &batch.labels
                     : name == "learning_rate" ? &rate
                                               : &batch.images);
  }
  Array loss(DType::f32, {}), correct(DType::i32, {});
  Array* outputs[] = {&loss, &correct};
  instance_->run(0, inputs, outputs);
  return {loss.get_double(0), correct.get_int(0)};
}

FitReport Trainer::fit(const Dataset& data, const FitOptions& options) {
  return fit(data, nullptr, options);
}

FitReport Trainer::fit(const Datasets& data, const FitOptions& options) {
  return fit(data.train, &data.test, options);
}

FitReport Trainer::fit(const Dataset& train, const Dataset* test, const FitOptions& options) {
  check_images(model_, train, batch_);
  check_classes(model_, train);
  if (test) check_images(model_, *test, batch_);
  Run run{train, test, options, options.normalisation.value_or(train.normalisation)};
  if (options.resume) restore(run);
  check_checkpoint(options);
  BatchStream stream(train,
                     {.batch = batch_,
                      .augmentation = options.augmentation,
                      .normalisation = run.normalisation,
                      .seed = options_.seed},
                     run.position);
  run.stream = &stream;
  run.steps_per_epoch = stream.batches_per_epoch();
  std::optional<Progress> progress;
  if (options.progress) {
    progress.emplace(options.epochs, run.steps_per_epoch, batch_, options.progress);
    progress->begin_at(run.steps_done());
    run.progress = &*progress;
  }
  while (run.position.epoch < options.epochs && !run.report.interrupted && train_epoch(run))
    finish_epoch(run);
  if (run.seconds > 0)
    run.report.images_per_second = static_cast<double>(run.own_steps * batch_) / run.seconds;
  copy_weights_to_model();
  return std::move(run.report);
}

// The rest of the epoch; false when the run was interrupted before its end.
bool Trainer::train_epoch(Run& run) {
  EpochReport epoch{run.position.epoch + 1};
  RunningMean loss, accuracy;
  Batch batch;
  const double begin = seconds_now();
  while (run.position.batch < run.steps_per_epoch && !run.report.interrupted) {
    run.stream->next(batch);
    epoch.learning_rate = options_.optimizer.learning_rate * run.options.schedule(run.time());
    const StepResult result = step(batch, epoch.learning_rate);
    check_loss(result.loss, run.report.steps + 1, epoch.learning_rate);
    loss.add(result.loss);
    const double percent = static_cast<double>(result.correct) * 100 / static_cast<double>(batch_);
    accuracy.add(percent);
    run.took_step(result.loss, percent);
    if (run.wants_checkpoint()) save(run);
  }
  const double seconds = seconds_now() - begin;
  run.seconds += seconds;
  if (run.position.batch < run.steps_per_epoch) return false;
  epoch.loss = loss.value();
  epoch.accuracy = accuracy.value();
  epoch.images_per_second = static_cast<double>(loss.count() * batch_) / seconds;
  run.position = {run.position.epoch + 1, 0};
  run.report.epochs.push_back(epoch);
  return true;
}

void Trainer::finish_epoch(Run& run) {
  save(run);
  EpochReport& epoch = run.report.epochs.back();
  if (run.test) {
    epoch.test = evaluate(*run.test, run.normalisation);
    if (run.progress) {
      run.progress->message(fmt::format("  test accuracy {:.2f} %, loss {:.4f}",
                                        epoch.test->accuracy, epoch.test->loss));
    }
  }
  if (run.options.on_epoch) run.options.on_epoch(epoch);
}

Evaluation Trainer::evaluate(const Dataset& data, std::optional<Normalisation> normalisation) {
  check_images(model_, data, batch_);
  check_classes(model_, data);
  copy_weights_to_model();
  if (!evaluator_ || evaluator_->count() != data.count()) {
    evaluator_.emplace(model_,
                       EvaluatorOptions{.loss = options_.loss,
                                        .batch = std::min<int64_t>(batch_, 128),
                                        .threads = thread_count(options_.threads),
                                        .target = options_.target},
                       data.count());
  }
  evaluator_->set_weights(model_.weights());
  return evaluator_->evaluate(data, normalisation.value_or(data.normalisation));
}

std::map<std::string, std::string> Trainer::settings_of(const Run& run) const {
  std::map<std::string, std::string> settings = run.options.settings;
  const Augmentation& augmentation = run.options.augmentation;
  settings["augmentation"] =
      fmt::format("flip {}, crop {}", augmentation.flip, augmentation.crop_padding);
  settings["batch"] = std::to_string(batch_);
  settings["data"] = fmt::format("{}, {} images", run.train.name, run.train.count());
  settings["learning rate"] = fmt::format("{}", options_.optimizer.learning_rate);
  settings["network"] = model_.name();
  settings["optimizer"] = options_.optimizer.name;
  settings["seed"] = std::to_string(options_.seed);
  // Last by name: what the others do not say, such as momentum or the widths of layers.
  settings["training step"] = content_hash(print(step_.graph, {.locations = false}));
  return settings;
}

void Trainer::save(const Run& run) {
  if (run.options.checkpoint.empty()) return;
  Checkpoint checkpoint;
  checkpoint.step = run.report.steps;
  checkpoint.position = run.position;
  checkpoint.seed = options_.seed;
  checkpoint.settings = settings_of(run);
  const argent_library& library = instance_->program().library();
  for (uint32_t i = 0; i < library.tensor_count; ++i) {
    const std::string name = library.tensors[i].name;
    const bool own = model_.weights().contains(name);
    (own ? checkpoint.weights : checkpoint.training_state)[name] = instance_->get(name);
  }
  save_checkpoint(checkpoint_file(run.options.checkpoint), checkpoint);
}

void Trainer::restore(Run& run) {
  const std::string path = checkpoint_file(run.options.checkpoint);
  if (run.options.checkpoint.empty() || !std::filesystem::exists(path)) {
    throw CompileError(run.options.checkpoint.empty()
                           ? std::string("resume: no checkpoint folder is given")
                           : fmt::format("resume: there is no checkpoint {}", path))
        .help("name the folder of the run to go on with, or start one without resuming");
  }
  const Checkpoint checkpoint = load_checkpoint(path);
  check_settings(checkpoint, settings_of(run), path);
  const argent_library& library = instance_->program().library();
  for (uint32_t i = 0; i < library.tensor_count; ++i) {
    const std::string name = library.tensors[i].name;
    const bool own = model_.weights().contains(name);
    const WeightMap& tensors = own ? checkpoint.weights : checkpoint.training_state;
    const auto found = tensors.find(name);
    if (found == tensors.end())
      throw CompileError(fmt::format("{} is damaged: it lacks '{}'", path, name));
    instance_->set(name, found->second);
  }
  instance_->prepare();
  run.position = checkpoint.position;
  run.report.steps = checkpoint.step;
}

void Trainer::copy_weights_to_model() {
  WeightMap weights = model_.weights();
  const argent_library& library = instance_->program().library();
  for (uint32_t i = 0; i < library.tensor_count; ++i) {
    const std::string name = library.tensors[i].name;
    if (auto found = weights.find(name); found != weights.end())
      found->second = instance_->get(name);
  }
  model_.set_weights(std::move(weights));
}

}  // namespace ag
