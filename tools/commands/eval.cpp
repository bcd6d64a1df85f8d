// argent eval: how well a network does on a data set.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "tools/command.h"
#include "tools/data_options.h"
#include "tools/program.h"
#include "train/batches.h"
#include "train/metrics.h"

namespace ag::commands {
namespace {

constexpr int64_t kBatch = 100;

struct EvalArguments {
  ProgramOptions program;
  DataOptions data;
  int threads = 1;
  bool json = false;
};

bool fits(const argent_entry_info& entry, const Dataset& data) {
  if (entry.input_count != 1 || entry.output_count < 1) return false;
  const TensorType input = type_of(*entry.inputs[0]), scores = type_of(*entry.outputs[0]);
  if (input.shape.empty()) return false;
  Shape images = data.image_shape();
  images.insert(images.begin(), input.shape[0]);
  return input == f32(images) && scores == f32(input.shape[0], data.classes);
}

// The entry with the largest batch that takes these images and gives a score for each class.
int entry_for(const argent_library& library, const Dataset& data) {
  int best = -1;
  std::string known;
  auto batch_of = [&](int entry) { return library.entries[entry].inputs[0]->shape[0]; };
  for (int i = 0; i < static_cast<int>(library.entry_count); ++i) {
    const argent_entry_info& entry = library.entries[i];
    if (fits(entry, data) && (best < 0 || batch_of(i) > batch_of(best))) best = i;
    if (entry.input_count > 0 && entry.output_count > 0) {
      known +=
          fmt::format("{}{} takes {} and gives {}", known.empty() ? "" : "; ", entry.name,
                      to_string(type_of(*entry.inputs[0])), to_string(type_of(*entry.outputs[0])));
    }
  }
  if (best >= 0) return best;
  throw CompileError(fmt::format("eval: {} has images {} of {} classes; {} is not made for them",
                                 data.name, to_string(f32(data.image_shape())), data.classes,
                                 library.name))
      .help(known);
}

struct Result {
  Accuracy accuracy;
  double seconds = 0;
};

Result evaluate(ProgramInstance& instance, int entry, const Dataset& data,
                const Normalisation& normalisation) {
  const argent_entry_info& info = instance.program().library().entries[entry];
  BatchStream stream(data, {.batch = info.inputs[0]->shape[0],
                            .shuffle = false,
                            .normalisation = normalisation,
                            .keep_last = true});
  Result result;
  Batch batch;
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < stream.batches_per_epoch(); ++i) {
    stream.next(batch);
    const std::vector<Array> scores = instance.run(entry, {&batch.images, 1});
    result.accuracy.add(scores[0], batch.labels, batch.count);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

void report(const EvalArguments& arguments, const Dataset& data, const Result& result) {
  const Accuracy& accuracy = result.accuracy;
  const double rate = static_cast<double>(accuracy.count) / result.seconds;
  if (arguments.json) {
    const nlohmann::json row = {{"model", arguments.program.model},
                                {"data", data.name},
                                {"images", accuracy.count},
                                {"correct", accuracy.top1},
                                {"accuracy", accuracy.top1_percent()},
                                {"top5", accuracy.top5_percent()},
                                {"images_per_second", rate},
                                {"threads", arguments.threads}};
    fmt::print("{}\n", row.dump(2));
    return;
  }
  fmt::print("{} on {}: accuracy {:.2f} % ({} of {} images), top-5 {:.2f} %, {:.0f} images/s\n",
             arguments.program.model, data.name, accuracy.top1_percent(), accuracy.top1,
             accuracy.count, accuracy.top5_percent(), rate);
}

int run_command(EvalArguments arguments) {
  const Dataset data = load_dataset(arguments.data.data, Split::test);
  const std::string& model = arguments.program.model;
  if (arguments.program.batch.empty() && !model.ends_with(".ag") && !is_library(model))
    arguments.program.batch = {std::min(kBatch, data.count())};
  const std::shared_ptr<LoadedProgram> program = load_program(arguments.program);
  const int entry = entry_for(program->library(), data);
  ProgramInstance instance = instance_of(*program, arguments.program, arguments.threads);
  const Normalisation normalisation =
      normalisation_for(arguments.data, program->library().name, data);
  report(arguments, data, evaluate(instance, entry, data, normalisation));
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto arguments = std::make_shared<EvalArguments>();
  add_program_or_library_options(command, arguments->program);
  add_data_options(command, arguments->data);
  add_threads_option(command, arguments->threads);
  command.add_flag("--json", arguments->json, "prints the result as JSON");
  return [arguments] { return run_command(*arguments); };
}

}  // namespace

const Command eval{"eval", "accuracy of a network on a data set", add_options,
                   "  argent eval resnet20_cifar --weights resnet20.th --data cifar10:DIR\n"
                   "  argent eval lenet5.so --data mnist:data/mnist-sample --json"};

}  // namespace ag::commands
