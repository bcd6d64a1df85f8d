#include "tools/program.h"

#include <cctype>

namespace ag {
namespace {

std::vector<ProgramEntry> entries_of(const NamedNetwork& network,
                                     const std::vector<int64_t>& batch) {
  if (!network.model) return {{"forward", network.graph}};
  if (batch.empty()) {
    const int64_t own = network.model->inputs()[0].type.shape[0];
    return {{fmt::format("forward_b{}", own), network.graph}};
  }
  std::vector<ProgramEntry> entries;
  for (int64_t size : batch)
    entries.push_back({fmt::format("forward_b{}", size), network.model->forward(size)});
  return entries;
}

void check_weights(const NamedNetwork& network) {
  if (!network.weights.empty() || !network.model || network.model->parameters().empty()) return;
  throw CompileError(fmt::format("network @{} has no weights", network.name))
      .help("give them with --weights FILE, or --seed 0 for untrained ones");
}

bool is_library(std::string_view file) { return file.ends_with(".so"); }

}  // namespace

void add_program_options(CLI::App& command, ProgramOptions& options) {
  command.add_option("--target", options.target, "processor level to compile for (host)");
  command.add_option("--batch", options.batch, "batch sizes, one entry point each: 1,8,32")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command.add_option("--weights", options.network.weights,
                     "parameters: .safetensors, .npz, .pt, .pth, .th");
  command.add_option("--seed", options.network.seed,
                     "draws untrained parameters where no weights are given");
  command.add_option("--classes", options.network.classes, "classes of a zoo network")
      ->check(CLI::PositiveNumber);
  command.add_option("--input-shape", options.network.shape,
                     "input of a C++ function of a tensor, as in 1,3,32,32");
  command.add_flag("--no-cache", options.no_cache, "compiles every kernel anew");
}

std::string identifier_of(std::string_view text) {
  std::string name;
  for (char c : text) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, "net_");
  return name;
}

CompiledProgram compile_network(const ProgramOptions& options) {
  find_target(options.target);  // before the work
  NamedNetwork network = load_network(options.model, options.network);
  check_weights(network);
  std::vector<ProgramEntry> entries = entries_of(network, options.batch);
  std::string name = identifier_of(options.name.empty() ? network.name : options.name);
  CompiledProgram compiled = compile_graphs(
      name, entries, network.weights,
      {.target = options.target, .use_cache = !options.no_cache, .explain = options.explain});
  const CompileStatistics& kernels = compiled.statistics;
  fmt::print(stderr, "{}: {} kernels for {}, {} of them from the cache, {:.2f} s\n", name,
             kernels.distinct, find_target(options.target).name, kernels.cached,
             kernels.milliseconds / 1000);
  return compiled;
}

std::shared_ptr<LoadedProgram> load_program(const ProgramOptions& options) {
  if (is_library(options.model)) return LoadedProgram::from_file(options.model);
  require_runnable(find_target(options.target));
  return LoadedProgram::in_memory(compile_network(options).program);
}

}  // namespace ag
