#include "tools/program.h"

#include <fmt/format.h>

#include "deploy/compile.h"
#include "frontend/init/draw.h"
#include "frontend/weights/weights.h"
#include "ir/ops/leaf.h"
#include "tools/whole_number.h"

namespace ag {
namespace {

constexpr uint64_t kSeed = 0;

// What a parameter of a graph in text form begins with; the text does not say. Variances and scales
// want to be positive.
Initializer first_value(const TensorType& type) {
  if (!is_float(type.dtype)) return zeros();
  return type.rank() < 2 ? ones() : kaiming_normal();
}

WeightMap drawn_for(const Graph& graph, uint64_t seed) {
  WeightMap weights;
  for (const OpDef* op : {&ops::parameter, &ops::state}) {
    for (Value leaf : graph.leaves(*op)) {
      const std::string& name = graph.leaf_name(leaf);
      weights.emplace(name, draw({name, graph.type(leaf), first_value(graph.type(leaf))}, seed));
    }
  }
  return weights;
}

// The values that came with the network, else drawn ones.
WeightMap weights_of(NamedNetwork& network, const ProgramOptions& options, bool weights_matter) {
  if (!network.weights.empty()) return network.weights;
  const uint64_t seed = options.network.seed.value_or(kSeed);
  if (network.model) network.model->initialize(seed);
  WeightMap weights = network.model ? network.model->weights() : drawn_for(network.graph, seed);
  if (weights_matter && !options.network.seed && !weights.empty()) {
    fmt::print(stderr, "note: no --weights: the parameters of {} are drawn from seed {}\n",
               network.name, seed);
  }
  return weights;
}

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

void set_weights(ProgramInstance& instance, const std::string& path) {
  const argent_library& library = instance.program().library();
  const WeightMap weights = load_weights(path);
  for (uint32_t i = 0; i < library.tensor_count; ++i) {
    const std::string name = library.tensors[i].name;
    auto value = weights.find(name);
    if (value == weights.end()) {
      throw CompileError(fmt::format("{}: {} needs '{}' ({}), which is not in the file", path,
                                     library.name, name, to_string(type_of(library.tensors[i]))))
          .help("load weights that were saved from this network");
    }
    instance.set(name, value->second);
  }
  instance.prepare();
}

void add_options(CLI::App& command, ProgramOptions& options, const char* model) {
  command.add_option("MODEL", options.model, model)->required();
  command.add_option("--target", options.target,
                     "processor level to compile for (host); of several, A,B, a library takes the "
                     "highest that the processor it runs on has; or for GPUs: cuda-sm_80, "
                     "cuda-sm_90, cuda (the device here)");
  command.add_option("--batch", options.batch, "batch sizes, one entry point each: 1,8,32")
      ->delimiter(',')
      ->check(whole_number());
  command.add_option("--weights", options.network.weights,
                     "parameters: .safetensors, .npz, .pt, .pth, .th");
  command
      .add_option("--seed", options.network.seed,
                  "draws untrained parameters where no weights are given (0)")
      ->check(seed_number());
  command.add_option("--classes", options.network.classes, "classes of a zoo network")
      ->check(whole_number());
  command.add_option("--input-shape", options.network.shape,
                     "input of a C++ function of a tensor, as in 1,3,32,32");
  command.add_flag("--no-cache", options.no_cache, "compiles every kernel anew");
  command
      .add_option("--winograd", options.winograd,
                  "Winograd's algorithm for 3x3 convolutions where it is faster: on, off (on)")
      ->check(CLI::IsMember({"on", "off"}));
  command
      .add_option("--without", options.without,
                  fmt::format("optional passes to leave out, to see what they are worth: {}",
                              fmt::join(optional_passes(), ", ")))
      ->delimiter(',');
}

// Options that a compiled library has no use for.
void check_library_options(const ProgramOptions& options) {
  const bool none = options.batch.empty() && options.target == "host" && !options.network.seed &&
                    options.network.classes == 0 && options.network.shape.empty() &&
                    !options.no_cache && options.winograd == "on" && options.without.empty();
  if (none) return;
  throw CompileError(fmt::format("{} is compiled: its batch, target, classes, input shape, seed "
                                 "and passes are what they are",
                                 options.model))
      .help("leave these options out, or give the network itself");
}

}  // namespace

void add_program_options(CLI::App& command, ProgramOptions& options) {
  add_options(command, options, "a name of the zoo, net.ag, or net.cpp[:function]");
}

void add_program_or_library_options(CLI::App& command, ProgramOptions& options) {
  add_options(command, options,
              "a library of argent compile (.so), a name of the zoo, net.ag, or "
              "net.cpp[:function]");
}

void add_threads_option(CLI::App& command, int& threads) {
  command.add_option("--threads", threads, "threads to run with (1)")
      ->check(whole_number(1, ARGENT_MAX_THREADS));
}

NetworkProgram load_network_program(const ProgramOptions& options, bool weights_matter) {
  find_targets(options.target);  // before the work
  NetworkOptions first = options.network;
  first.batch = options.batch.empty() ? 0 : options.batch[0];
  NamedNetwork network = load_network(options.model, first);
  return {network.name, entries_of(network, options.batch),
          weights_of(network, options, weights_matter)};
}

CompiledProgram compile_network(const NetworkProgram& network, const ProgramOptions& options,
                                bool explain) {
  return compile_graphs(c_identifier(network.name), network.entries, network.weights,
                        {.target = options.target,
                         .use_cache = !options.no_cache,
                         .explain = explain,
                         .lowering = options.lowering()});
}

bool is_library(std::string_view model) { return model.ends_with(".so"); }

std::shared_ptr<LoadedProgram> load_program(const ProgramOptions& options) {
  if (is_library(options.model)) {
    check_library_options(options);
    return LoadedProgram::from_file(options.model);
  }
  require_runnable(find_target(options.target));
  return LoadedProgram::in_memory(compile_network(load_network_program(options), options).program);
}

ProgramInstance instance_of(LoadedProgram& program, const ProgramOptions& options, int threads) {
  ProgramInstance instance = program.instance(threads);
  if (is_library(options.model) && !options.network.weights.empty())
    set_weights(instance, options.network.weights);
  return instance;
}

}  // namespace ag
