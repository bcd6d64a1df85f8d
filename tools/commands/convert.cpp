// argent convert: weights from one kind of file to another; networks to text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "frontend/weights/weights.h"
#include "ir/file.h"
#include "ir/print.h"
#include "tools/command.h"
#include "tools/network.h"
#include "tools/whole_number.h"

namespace ag::commands {
namespace {

struct ConvertOptions {
  std::string from, to;
  NetworkOptions network;
  bool keep_prefix = false, json = false;
};

// Returns a line about what was written, or as JSON.
nlohmann::json convert_graph(const ConvertOptions& options) {
  const NamedNetwork network = load_network(options.from, options.network);
  write_file(options.to, print(network.graph));
  return {{"kind", "graph"}, {"name", network.name}, {"nodes", network.graph.size()}};
}

nlohmann::json convert_tensors(const ConvertOptions& options) {
  LoadWeights how;
  if (options.keep_prefix) how.strip_prefix.clear();
  const WeightMap weights = load_weights(options.from, how);
  save_weights(options.to, weights);
  size_t bytes = 0;
  for (const auto& [name, array] : weights) bytes += array.size_bytes();
  return {{"kind", "weights"}, {"tensors", weights.size()}, {"bytes", bytes}};
}

int run(const ConvertOptions& options) {
  const bool graph = options.to.ends_with(".ag");
  if (!graph && options.from.ends_with(".ag")) {
    throw CompileError(
        fmt::format("{} is a graph, but {} would hold weights", options.from, options.to))
        .help("graphs convert to .ag, weights to .safetensors, .npz or .npy");
  }
  nlohmann::json made = graph ? convert_graph(options) : convert_tensors(options);
  if (options.json) {
    made["from"] = options.from;
    made["to"] = options.to;
    fmt::print("{}\n", made.dump(2));
  } else if (graph) {
    fmt::print("{}: graph @{}, {} nodes\n", options.to, made["name"].get<std::string>(),
               made["nodes"].get<int>());
  } else {
    fmt::print("{}: {} tensors, {} bytes\n", options.to, made["tensors"].get<size_t>(),
               made["bytes"].get<size_t>());
  }
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto options = std::make_shared<ConvertOptions>();
  command
      .add_option("A", options->from,
                  "weights (.safetensors, .npz, .npy, .pt, .pth, .th), or a network")
      ->required();
  command.add_option("B", options->to, "weights (.safetensors, .npz, .npy), or .ag for a network")
      ->required();
  command.add_option("--batch", options->network.batch, "batch size of a network")
      ->check(whole_number());
  command.add_option("--classes", options->network.classes, "classes of a zoo network")
      ->check(whole_number());
  command.add_option("--input-shape", options->network.shape,
                     "input of a C++ function of a tensor, as in 1,3,32,32");
  command.add_flag("--keep-prefix", options->keep_prefix,
                   "keeps the 'module.' that DataParallel puts before all names");
  command.add_flag("--json", options->json, "prints what was written as JSON");
  return [options] { return run(*options); };
}

}  // namespace

const Command convert{"convert", "weights and graphs from one file format to another", add_options,
                      "  argent convert resnet20.th resnet20.safetensors\n"
                      "  argent convert lenet5.safetensors lenet5.npz\n"
                      "  argent convert resnet18 resnet18.ag --batch 8"};

}  // namespace ag::commands
