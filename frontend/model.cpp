#include "frontend/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "frontend/init/draw.h"
#include "frontend/weights/weights.h"
#include "ir/ops/leaf.h"

namespace ag {
namespace {

constexpr size_t kMostNamesShown = 5;

// "'a' (f32[2]), 'b' (f32[3]) and 7 more"
std::string listed(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < std::min(items.size(), kMostNamesShown); ++i)
    text += (i ? ", " : "") + items[i];
  if (items.size() > kMostNamesShown)
    text += fmt::format(" and {} more", items.size() - kMostNamesShown);
  return text;
}

std::string described(const std::string& name, const TensorType& type) {
  return fmt::format("'{}' ({})", name, to_string(type));
}

// Whether `part` stands between the dots of `name`.
bool has_part(const std::string& name, const std::string& part) {
  return ("." + name + ".").find("." + part + ".") != std::string::npos;
}

Array converted(Array from, const TensorType& type) {
  if (from.dtype() == type.dtype || !is_float(from.dtype()) || !is_float(type.dtype)) return from;
  Array to(type.dtype, from.shape());
  for (int64_t i = 0; i < from.count(); ++i) to.set_double(i, from.get_double(i));
  return to;
}

std::vector<NamedType> inputs_of(const TraceOptions& options) {
  if (options.image.shape.empty() == options.inputs.empty()) {
    throw CompileError(fmt::format("trace of @{}: {}", options.name,
                                   options.inputs.empty() ? "no input is given"
                                                          : "both .image and .inputs are given"))
        .help("write trace(function, {.image = f32(1, 3, 224, 224)})");
  }
  return options.inputs.empty() ? std::vector<NamedType>{{"image", options.image}} : options.inputs;
}

Location location_of(const Graph& graph, std::string_view leaf) {
  return graph.node(graph.find_leaf(leaf)).location;
}

}  // namespace

Model::Model(Network network, TraceOptions options)
    : network_(std::move(network)),
      inputs_(inputs_of(options)),
      unused_(options.unused),
      forward_(options.name) {
  unused_.emplace_back("num_batches_tracked");
  if (network_.inputs() >= 0 && network_.inputs() != static_cast<int>(inputs_.size())) {
    throw CompileError(fmt::format("trace of @{}: the function takes {} inputs, {} are given",
                                   options.name, network_.inputs(), inputs_.size()));
  }
  BuildContext context(forward_, Mode::inference);
  for (const NamedTensor& output : build(context))
    forward_.add_output(output.name, output.tensor.value());
  parameters_ = context.parameters();
}

Graph Model::forward(int64_t batch) const {
  Graph graph(name());
  BuildContext context(graph, Mode::inference);
  for (const NamedTensor& output : build(context, batch))
    graph.add_output(output.name, output.tensor.value());
  graph.set_build_context(nullptr);
  return graph;
}

std::vector<NamedTensor> Model::build(BuildContext& context, int64_t batch) const {
  std::vector<Tensor> tensors;
  for (NamedType input : inputs_) {
    if (batch > 0) input.type.shape[0] = batch;
    Value leaf = context.graph().add_leaf(ops::input, input.name, input.type, {});
    tensors.emplace_back(context.graph(), leaf);
  }
  std::vector<NamedTensor> outputs = network_(tensors);
  for (const NamedTensor& output : outputs) {
    if (output.tensor.valid() && &output.tensor.graph() == &context.graph()) continue;
    throw CompileError(
        fmt::format("trace of @{}: output '{}' was not made from the inputs", name(), output.name));
  }
  return outputs;
}

int64_t Model::parameter_count() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_)
    if (parameter.trained) count += parameter.type.count();
  return count;
}

void Model::initialize(uint64_t seed) {
  weights_.clear();
  for (const Parameter& parameter : parameters_)
    weights_.emplace(parameter.name, draw(parameter, seed));
}

void Model::set_weights(WeightMap weights, const std::string& source) {
  std::vector<std::string> missing, extra;
  const Parameter* first_missing = nullptr;
  for (const Parameter& parameter : parameters_) {
    auto found = weights.find(parameter.name);
    if (found == weights.end()) {
      missing.push_back(described(parameter.name, parameter.type));
      if (!first_missing) first_missing = &parameter;
      continue;
    }
    found->second = converted(std::move(found->second), parameter.type);
    if (found->second.type() == parameter.type) continue;
    throw CompileError(fmt::format("{}: '{}' is {}, but network @{} has {}", source, parameter.name,
                                   to_string(found->second.type()), name(),
                                   to_string(parameter.type)))
        .at(location_of(forward_, parameter.name))
        .help("load weights that were saved from this network, or change the layer");
  }
  std::erase_if(weights, [&](const auto& entry) {
    return std::any_of(unused_.begin(), unused_.end(),
                       [&](const std::string& part) { return has_part(entry.first, part); });
  });
  for (const auto& [name, array] : weights) {
    auto same = [&](const Parameter& parameter) { return parameter.name == name; };
    if (std::none_of(parameters_.begin(), parameters_.end(), same))
      extra.push_back(described(name, array.type()));
  }
  if (first_missing) {
    throw CompileError(fmt::format("{}: network @{} needs {}", source, name(), listed(missing)))
        .at(location_of(forward_, first_missing->name))
        .help(extra.empty() ? "load weights that were saved from this network"
                            : "the weights have " + listed(extra) +
                                  ", which the network does not use: rename one side");
  }
  if (!extra.empty()) {
    throw CompileError(
        fmt::format("{}: network @{} does not have {}", source, name(), listed(extra)))
        .help("load weights that were saved from this network");
  }
  weights_ = std::move(weights);
}

void Model::load(const std::string& path) { set_weights(load_weights(path), path); }

void Model::save(const std::string& path) const {
  if (weights_.empty()) {
    throw CompileError(fmt::format("{}: network @{} has no weights yet", path, name()))
        .help("call initialize() or load(), or train it");
  }
  save_weights(path, weights_);
}

Model trace(Network network, TraceOptions options) {
  return Model(std::move(network), std::move(options));
}

}  // namespace ag
