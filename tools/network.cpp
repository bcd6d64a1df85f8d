#include "tools/network.h"

#include <fmt/format.h>

#include "frontend/weights/weights.h"
#include "frontend/zoo/zoo.h"
#include "ir/file.h"
#include "ir/ops/leaf.h"
#include "ir/parse.h"
#include "tools/cpp_network.h"

namespace ag {
namespace {

bool is_text(std::string_view argument) { return argument.ends_with(".ag"); }

// An option that would change nothing is a mistake of the user, who expects that it does.
void check_options(const std::string& argument, const NetworkOptions& options) {
  const bool cpp = is_cpp_network(argument), text = is_text(argument);
  if (options.classes > 0 && (cpp || text)) {
    throw CompileError(fmt::format("{} has classes of its own; {} are asked for",
                                   network_file(argument), options.classes))
        .help("leave --classes out: it is of networks of the zoo");
  }
  if (!options.shape.empty() && !cpp) {
    throw CompileError(fmt::format("{} has an input of its own; the shape {} is asked for",
                                   argument, options.shape))
        .help("leave --input-shape out: it is of C++ functions from a tensor to a tensor");
  }
}

// That the file has the parameters and states of a graph in text form; it may have others, too.
void check_weights(const Graph& graph, const WeightMap& weights, const std::string& source) {
  for (const OpDef* op : {&ops::parameter, &ops::state}) {
    for (const Value leaf : graph.leaves(*op)) {
      const std::string& name = graph.leaf_name(leaf);
      const auto found = weights.find(name);
      if (found != weights.end() && found->second.type() == graph.type(leaf)) continue;
      throw CompileError(fmt::format("{}: '{}' of graph @{} is {}, but the file {}", source, name,
                                     graph.name(), to_string(graph.type(leaf)),
                                     found == weights.end()
                                         ? std::string("lacks it")
                                         : "has " + to_string(found->second.type())))
          .at(graph.node(leaf).location)
          .help("load weights that were saved from this network");
    }
  }
}

NamedNetwork traced(Model model, int64_t batch) {
  Graph graph = batch > 0 ? model.forward(batch) : model.forward();
  std::string name = model.name();
  return {std::move(name), std::move(model), std::move(graph), {}};
}

NamedNetwork from_text(const std::string& file, const NetworkOptions& options) {
  std::vector<std::byte> bytes = read_file(file);
  Graph graph = parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                      file.substr(file.find_last_of('/') + 1));
  if (options.batch > 0) {
    throw CompileError(fmt::format("{}: a graph in text form has one batch size; {} is asked for",
                                   file, options.batch))
        .help("leave the batch out, or give the network as C++");
  }
  std::string name = graph.name();
  return {std::move(name), std::nullopt, std::move(graph), {}};
}

NamedNetwork without_weights(const std::string& argument, const NetworkOptions& options) {
  check_options(argument, options);
  const std::string file = network_file(argument);
  if (is_cpp_network(argument)) {
    std::string function =
        file.size() == argument.size() ? "make_net" : argument.substr(file.size() + 1);
    return traced(load_cpp_network(file, function, options.shape), options.batch);
  }
  if (is_text(argument)) return from_text(argument, options);
  if (argument.find_first_of("./:") != std::string::npos) {
    throw CompileError(
        fmt::format("'{}' is neither a name of the zoo nor a network's file", argument))
        .help("write a name that argent zoo lists, net.ag, or net.cpp[:function]");
  }
  return traced(zoo_model(argument, options.batch > 0 ? options.batch : 1, options.classes), 0);
}

}  // namespace

bool is_cpp_network(const std::string& argument) {
  const std::string file = network_file(argument);
  for (std::string_view ending : {".cpp", ".cc", ".cxx", ".C"})
    if (file.ends_with(ending)) return true;
  return false;
}

std::string network_file(const std::string& argument) {
  const size_t colon = argument.rfind(':');
  const bool named = colon != std::string::npos && argument.find('/', colon) == std::string::npos;
  return named ? argument.substr(0, colon) : argument;
}

NamedNetwork load_network(const std::string& argument, const NetworkOptions& options) {
  NamedNetwork network = without_weights(argument, options);
  if (!network.model) {
    if (options.weights.empty()) return network;
    network.weights = load_weights(options.weights);
    check_weights(network.graph, network.weights, options.weights);
    return network;
  }
  Model& model = *network.model;
  if (!options.weights.empty()) model.load(options.weights);
  if (model.weights().empty() && options.seed) model.initialize(*options.seed);
  network.weights = model.weights();
  return network;
}

Model load_model(const std::string& argument, const NetworkOptions& options,
                 std::string_view purpose) {
  if (is_text(argument)) {
    throw CompileError(fmt::format("{}: cannot {} a graph in text form", argument, purpose))
        .help("give the network as a zoo name or as C++");
  }
  return std::move(*load_network(argument, options).model);
}

}  // namespace ag
