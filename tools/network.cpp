#include "tools/network.h"

#include <fmt/format.h>

#include "frontend/weights/weights.h"
#include "frontend/zoo/zoo.h"
#include "ir/file.h"
#include "ir/parse.h"
#include "tools/cpp_network.h"

namespace ag {
namespace {

// The place of ":function" behind a C++ file's name; npos when there is none.
size_t function_place(const std::string& argument) {
  size_t colon = argument.rfind(':');
  bool named = colon != std::string::npos && argument.find('/', colon) == std::string::npos;
  return named ? colon : std::string::npos;
}

bool is_cpp(std::string_view file) {
  for (std::string_view ending : {".cpp", ".cc", ".cxx", ".C"})
    if (file.ends_with(ending)) return true;
  return false;
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
  const size_t colon = function_place(argument);
  const std::string file = argument.substr(0, colon);
  if (is_cpp(file)) {
    std::string function = colon == std::string::npos ? "make_net" : argument.substr(colon + 1);
    return traced(load_cpp_network(file, function, options.shape), options.batch);
  }
  if (argument.ends_with(".ag")) return from_text(argument, options);
  if (argument.find_first_of("./:") != std::string::npos) {
    throw CompileError(
        fmt::format("'{}' is neither a name of the zoo nor a network's file", argument))
        .help("write a name that argent zoo lists, net.ag, or net.cpp[:function]");
  }
  return traced(zoo_model(argument, options.batch > 0 ? options.batch : 1, options.classes), 0);
}

}  // namespace

NamedNetwork load_network(const std::string& argument, const NetworkOptions& options) {
  NamedNetwork network = without_weights(argument, options);
  if (!network.model) {
    if (!options.weights.empty()) network.weights = load_weights(options.weights);
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
  NamedNetwork network = load_network(argument, options);
  if (network.model) return std::move(*network.model);
  throw CompileError(fmt::format("{}: cannot {} a graph in text form", argument, purpose))
      .help("give the network as a zoo name or as C++");
}

}  // namespace ag
