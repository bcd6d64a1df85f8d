#include "deploy/compile.h"

#include <fmt/format.h>

#include <cctype>
#include <filesystem>

#include "codegen/link/bake.h"

namespace ag {
namespace {

CompileSettings settings_of(const CompileOptions& options) {
  CompileSettings settings;
  settings.target = options.target;
  settings.explain = options.explain;
  settings.lowering.winograd = options.winograd;
  return settings;
}

std::vector<ProgramEntry> entries_of(const Model& model, const CompileOptions& options) {
  std::vector<ProgramEntry> entries;
  if (options.batch.empty()) entries.push_back({"forward", model.forward()});
  for (int64_t batch : options.batch) {
    if (batch < 1) {
      throw CompileError(
          fmt::format("compile: batch {} of {} is not positive", batch, model.name()))
          .help("give batch sizes of at least 1");
    }
    entries.push_back({fmt::format("forward_b{}", batch), model.forward(batch)});
  }
  return entries;
}

}  // namespace

std::string c_identifier(std::string_view text) {
  std::string name;
  for (char c : text) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, "net_");
  return name;
}

CompiledProgram compile_program(const Model& model, const CompileOptions& options) {
  std::vector<ProgramEntry> entries = entries_of(model, options);
  std::string name = c_identifier(options.name.empty() ? model.name() : options.name);
  return compile_graphs(std::move(name), entries, model.weights(), settings_of(options));
}

void compile(const Model& model, const std::string& path, CompileOptions options) {
  if (options.name.empty()) options.name = std::filesystem::path(path).stem().string();
  std::vector<plan::Program> levels;
  for (const Target* target : find_targets(options.target)) {
    CompileOptions level = options;
    level.target = target->name;
    levels.push_back(bake_weights(compile_program(model, level).program));
  }
  emit_file(levels, emit_kind_of(path), path);
}

CompiledGraph::CompiledGraph(std::shared_ptr<LoadedProgram> program, int threads)
    : instance_(std::make_shared<ProgramInstance>(program->instance(threads))) {}

std::vector<Array> CompiledGraph::operator()(std::span<const Array> inputs) {
  return instance_->run(0, inputs);
}

Array CompiledGraph::operator()(const Array& input) {
  return std::move(instance_->run(0, {&input, 1})[0]);
}

CompiledGraph compile(const Graph& graph, const WeightMap& weights, CompileOptions options) {
  ProgramEntry entry{"main", graph};
  std::string name = c_identifier(options.name.empty() ? graph.name() : options.name);
  CompiledProgram compiled =
      compile_graphs(std::move(name), {&entry, 1}, weights, settings_of(options));
  return {LoadedProgram::in_memory(compiled.program), options.threads};
}

CompiledModel::CompiledModel(Model model, CompileOptions options)
    : model_(std::move(model)), options_(std::move(options)) {}

Array CompiledModel::operator()(const Array& input) {
  if (input.shape().empty()) {
    throw CompileError(
        fmt::format("{}: the input is a scalar; axis 0 must be the batch", model_.name()));
  }
  int64_t batch = input.shape()[0];
  auto known = by_batch_.find(batch);
  if (known == by_batch_.end()) {
    CompiledGraph graph = compile(model_.forward(batch), model_.weights(), options_);
    known = by_batch_.emplace(batch, std::move(graph)).first;
  }
  return known->second(input);
}

CompiledModel compile(const Model& model, CompileOptions options) {
  return {model, std::move(options)};
}

}  // namespace ag
