// argent inspect: what a network consists of.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "codegen/compile.h"
#include "codegen/plan/copies.h"
#include "frontend/analysis.h"
#include "ir/print.h"
#include "tools/command.h"
#include "tools/commands/inspect_library.h"
#include "tools/network.h"
#include "tools/program.h"
#include "tools/whole_number.h"

namespace ag::commands {
namespace {

struct InspectOptions {
  std::string model;
  NetworkOptions network;
  std::string target = "host";
  bool graph = false, json = false;
};

// What one call needs, as `argent compile` plans it for the target.
struct CallPlan {
  plan::EntryMemory memory;
  std::vector<plan::Copy> copies;
};

CallPlan plan_of(const Graph& graph, const std::string& target_name) {
  const Target& target = find_target(target_name);
  const Graph kernels = lower_to_kernels(graph, target, ProgramOptions().lowering());
  const plan::EntryGraph entries[] = {{"forward", &kernels}};
  const plan::ProgramPlan plan = plan::plan_program(graph.name(), target, entries);
  return {plan.memory[0], plan::copies_of(plan, plan.program.entries[0])};
}

std::string field_text(const LayerRow& row) {
  if (row.receptive_field.empty()) return "all";
  std::string text;
  for (int64_t extent : row.receptive_field)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

nlohmann::json json_of(const plan::Copy& copy) {
  return {{"what", copy.what},          {"layer", copy.location.scope},
          {"file", copy.location.file}, {"line", copy.location.line},
          {"from", copy.from},          {"to", copy.to},
          {"bytes", copy.bytes}};
}

nlohmann::json json_of(const Analysis& analysis, const CallPlan& plan) {
  nlohmann::json copies = nlohmann::json::array();
  for (const plan::Copy& copy : plan.copies) copies.push_back(json_of(copy));
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerRow& row : analysis.layers) {
    layers.push_back({{"name", row.name},
                      {"op", row.op},
                      {"output", to_string(row.output)},
                      {"parameters", row.parameters},
                      {"macs", row.macs},
                      {"receptive_field", row.receptive_field}});
  }
  return {{"name", analysis.name},
          {"parameters", analysis.parameters},
          {"macs", analysis.macs},
          {"arena_bytes", plan.memory.arena_bytes},
          {"arena_lower_bound", plan.memory.lower_bound},
          {"copies", copies},
          {"layers", layers}};
}

void print_plan(const CallPlan& plan) {
  constexpr double kKiB = 1024;
  fmt::print("arena: {:.1f} KiB; no plan for this order of kernels has less than {:.1f} KiB\n",
             static_cast<double>(plan.memory.arena_bytes) / kKiB,
             static_cast<double>(plan.memory.lower_bound) / kKiB);
  int64_t bytes = 0;
  for (const plan::Copy& copy : plan.copies) bytes += copy.bytes;
  if (plan.copies.empty()) {
    fmt::print("copies and layout conversions in a call: none\n");
    return;
  }
  fmt::print("copies and layout conversions in a call: {}, {:.1f} KiB read and written\n",
             plan.copies.size(), static_cast<double>(bytes) / kKiB);
  for (const plan::Copy& copy : plan.copies) {
    fmt::print("  {:.1f} KiB  {}  {}{}\n", static_cast<double>(copy.bytes) / kKiB, copy.what,
               copy.location.text(),
               copy.from.empty() ? "" : fmt::format("  {} -> {}", copy.from, copy.to));
  }
}

void print_table(const Analysis& analysis, const CallPlan& plan) {
  size_t name_width = 5, op_width = 2, output_width = 6;
  for (const LayerRow& row : analysis.layers) {
    name_width = std::max(name_width, row.name.size());
    op_width = std::max(op_width, row.op.size());
    output_width = std::max(output_width, to_string(row.output).size());
  }
  fmt::print("{:<{}}  {:<{}}  {:<{}}  {:>11}  {:>14}  {:>15}\n", "layer", name_width, "op",
             op_width, "output", output_width, "parameters", "MACs", "receptive field");
  for (const LayerRow& row : analysis.layers) {
    fmt::print("{:<{}}  {:<{}}  {:<{}}  {:>11}  {:>14}  {:>15}\n", row.name, name_width, row.op,
               op_width, to_string(row.output), output_width, row.parameters, row.macs,
               field_text(row));
  }
  fmt::print("\n{}: {} parameters, {:.3f} MMACs\n", analysis.name, analysis.parameters,
             static_cast<double>(analysis.macs) * 1e-6);
  print_plan(plan);
}

// A compiled library is what it is.
void check_library_options(const InspectOptions& options) {
  const NetworkOptions& network = options.network;
  const bool none = network.batch == 0 && network.classes == 0 && network.shape.empty() &&
                    network.weights.empty() && options.target == "host" && !options.graph;
  if (none) return;
  throw CompileError(fmt::format("{} is compiled: its batch, classes, input shape, weights and "
                                 "target are what they are, and its graph is not in it",
                                 options.model))
      .help("leave these options out, or give the network itself");
}

int run(const InspectOptions& options) {
  if (is_library(options.model)) {
    check_library_options(options);
    inspect_library(options.model, options.json);
    return kSuccess;
  }
  NamedNetwork network = load_network(options.model, options.network);
  if (options.graph) {
    fmt::print("{}", print(network.graph));
    return kSuccess;
  }
  const Analysis analysis = analyse(network.graph);
  const CallPlan plan = plan_of(network.graph, options.target);
  if (options.json)
    fmt::print("{}\n", json_of(analysis, plan).dump(2));
  else
    print_table(analysis, plan);
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto options = std::make_shared<InspectOptions>();
  command
      .add_option("MODEL", options->model,
                  "a name of the zoo, net.ag, net.cpp[:function], or a compiled library (.so)")
      ->required();
  command.add_option("--batch", options->network.batch, "batch size")->check(whole_number());
  command.add_option("--classes", options->network.classes, "classes of a zoo network")
      ->check(whole_number());
  command.add_option("--input-shape", options->network.shape,
                     "input of a C++ function of a tensor, as in 1,3,32,32");
  command.add_option("--weights", options->network.weights,
                     "checks that the weights in FILE fit the network");
  command.add_option("--target", options->target, "whose memory plan is shown (host)");
  command.add_flag("--graph", options->graph, "prints the graph instead");
  command.add_flag("--json", options->json, "prints the table as JSON");
  return [options] { return run(*options); };
}

}  // namespace

const Command inspect{
    "inspect", "layers, shapes, parameters, MACs, receptive fields, memory, copies", add_options,
    "  argent inspect resnet20_cifar\n"
    "  argent inspect resnet18 --classes 10 --json\n"
    "  argent inspect net.cpp:make_net --graph\n"
    "  argent inspect net.so"};

}  // namespace ag::commands
