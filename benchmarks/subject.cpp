#include "benchmarks/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "frontend/init/draw.h"
#include "frontend/zoo/zoo.h"
#include "train/training_step.h"

namespace ag {
namespace {

std::string zoo_name(const std::string& network) { return network.substr(0, network.find('@')); }

Array example_input(const plan::Tensor& tensor, int64_t classes) {
  Array array(tensor.dtype, tensor.shape);
  for (int64_t i = 0; i < array.count(); ++i) {
    double value = tensor.shape.empty() ? 0.01 : static_cast<double>(i * 7919 % 2003) / 1001.5 - 1;
    array.set_double(i, is_float(tensor.dtype) ? value : static_cast<double>(i % classes));
  }
  return array;
}

template <class Number>
Number positive(std::string_view what, std::string_view text, std::string_view kind) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number > 0) return number;
  throw CompileError(fmt::format("{}: '{}' is no {}", what, text, kind));
}

// A subject as kernels with layouts, and the values of its leaves.
struct Lowered {
  ProgramEntry kernels;
  WeightMap values;
};

Lowered lower(const Subject& subject, const LoweringOptions& options) {
  Model model = model_of(subject);
  model.initialize(1);
  WeightMap values = model.weights();
  const Target& target = find_target("host");
  if (!subject.trains)
    return {{"forward", lower_to_kernels(model.forward(), target, options)}, std::move(values)};
  TrainingStep step = training_step(model, {.optimizer = sgd(0.01, {.momentum = 0.9})});
  for (const Parameter& parameter : step.parameters) {
    if (!values.contains(parameter.name)) values[parameter.name] = draw(parameter, 0);
  }
  return {{"step", lower_to_kernels(step.graph, target, options)}, std::move(values)};
}

}  // namespace

int64_t positive_integer(std::string_view what, std::string_view text) {
  return positive<int64_t>(what, text, "positive integer");
}

double positive_number(std::string_view what, std::string_view text) {
  return positive<double>(what, text, "positive number");
}

Model model_of(const Subject& subject) {
  const size_t at = subject.network.find('@');
  const int64_t extent =
      at == std::string::npos ? 0 : positive_integer("extent", subject.network.substr(at + 1));
  return zoo_model(zoo_name(subject.network), subject.batch, 0, extent);
}

CompiledProgram compile_subject(const Subject& subject, const LoweringOptions& lowering) {
  const Lowered lowered = lower(subject, lowering);
  return compile_kernel_graphs(lowered.kernels.name, {&lowered.kernels, 1}, lowered.values);
}

plan::ProgramPlan plan_subject(const Subject& subject, const LoweringOptions& lowering) {
  const Lowered lowered = lower(subject, lowering);
  const plan::EntryGraph entry{lowered.kernels.name, &lowered.kernels.graph};
  return plan::plan_program(lowered.kernels.name, find_target("host"), {&entry, 1});
}

std::vector<Array> example_inputs(const Subject& subject, const plan::Program& program) {
  const int64_t classes = std::min<int64_t>(10, zoo_entry(zoo_name(subject.network)).classes);
  std::vector<Array> inputs;
  for (int tensor : program.entries[0].inputs)
    inputs.push_back(example_input(program.tensors[tensor], classes));
  return inputs;
}

double milliseconds(ProgramInstance& instance, const std::vector<Array>& inputs) {
  auto start = std::chrono::steady_clock::now();
  instance.run(0, inputs);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace ag
