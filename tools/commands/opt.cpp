// argent opt: a graph in, passes, text out.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "codegen/compile.h"
#include "ir/file.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tools/command.h"
#include "tools/network.h"
#include "tools/whole_number.h"

namespace ag::commands {
namespace {

struct OptOptions {
  std::string model, passes, output, dump_dir;
  NetworkOptions network;
  bool print_after_all = false, time_passes = false, check_semantics = false;
  bool no_locations = false, list = false, json = false;
};

Graph read_graph(const OptOptions& options) {
  if (options.model != "-") return load_network(options.model, options.network).graph;
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  return parse(text, "stdin");
}

void make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0 || errno == EEXIST) return;
  throw CompileError(fmt::format("cannot make directory {}: {}", path, std::strerror(errno)))
      .help("choose a --dump-dir below a directory you may write to");
}

int list_passes(bool json) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Pass& pass : compiler_passes()) {
    if (!json) fmt::print("{:<22} {}\n", pass.name, pass.summary);
    nlohmann::json parameters = nlohmann::json::object();
    for (const PassParameter& parameter : pass.parameters) {
      if (!json) fmt::print("{:<22}   {}: {}\n", "", parameter.name, parameter.summary);
      parameters[std::string(parameter.name)] = parameter.summary;
    }
    rows.push_back({{"name", pass.name}, {"summary", pass.summary}, {"parameters", parameters}});
  }
  if (json) fmt::print("{}\n", rows.dump(2));
  return kSuccess;
}

struct Timing {
  std::string pass;
  double seconds;
  int nodes;
};

void print_timings(const std::vector<Timing>& timings) {
  double total = 0;
  fmt::print(stderr, "{:>12}  {:>7}  pass\n", "seconds", "nodes");
  for (const Timing& timing : timings) {
    fmt::print(stderr, "{:>12.6f}  {:>7}  {}\n", timing.seconds, timing.nodes, timing.pass);
    total += timing.seconds;
  }
  fmt::print(stderr, "{:>12.6f}  {:>7}  total\n", total, "");
}

std::string json_text(const Graph& graph, const std::vector<Timing>& timings, PrintOptions how) {
  nlohmann::json passes = nlohmann::json::array();
  for (const Timing& timing : timings) {
    passes.push_back({{"pass", timing.pass}, {"seconds", timing.seconds}, {"nodes", timing.nodes}});
  }
  return nlohmann::json{{"passes", passes}, {"graph", print(graph, how)}}.dump(2) + "\n";
}

int run(const OptOptions& options) {
  if (options.list) return list_passes(options.json);
  if (options.model.empty()) {
    throw CompileError("opt: no MODEL is given")
        .help("argent opt net.ag --passes=simplify,dce, or '-' for standard input");
  }
  std::vector<PassCall> pipeline = parse_pipeline(options.passes, compiler_passes());
  Graph graph = read_graph(options);
  PrintOptions how{.locations = !options.no_locations};
  if (!options.dump_dir.empty()) {
    make_directory(options.dump_dir);
    write_file(options.dump_dir + "/00-input.ag", print(graph, how));
  }
  std::vector<Timing> timings;
  PipelineOptions settings;
  settings.check_invariants = true;
  settings.check_semantics = options.check_semantics;
  settings.after_each = [&](int index, const PassCall& call, const Graph& after, double seconds) {
    timings.push_back({std::string(call.pass->name), seconds, after.size()});
    if (options.print_after_all)
      fmt::print(stderr, "# after {} ({})\n{}", call.pass->name, index + 1, print(after, how));
    if (!options.dump_dir.empty()) {
      write_file(fmt::format("{}/{:02}-{}.ag", options.dump_dir, index + 1, call.pass->name),
                 print(after, how));
    }
  };
  Graph result = run_pipeline(graph, pipeline, settings);
  if (options.time_passes && !options.json) print_timings(timings);
  std::string text = options.json ? json_text(result, timings, how) : print(result, how);
  if (options.output.empty() || options.output == "-")
    fmt::print("{}", text);
  else
    write_file(options.output, text);
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto options = std::make_shared<OptOptions>();
  command.add_option("MODEL", options->model,
                     "graph in text form (net.ag, '-' for standard input), zoo name or net.cpp");
  command.add_option("--batch", options->network.batch, "batch size of a zoo name or net.cpp")
      ->check(whole_number());
  command.add_option(
      "--passes", options->passes,
      "comma-separated passes, as in simplify,grad{of=loss}; 'default': the compiler's own");
  command.add_option("-o,--output", options->output, "where the result goes (standard output)");
  command.add_option("--dump-dir", options->dump_dir, "writes the graph after each pass into DIR");
  command.add_flag("--print-after-all", options->print_after_all,
                   "prints the graph after each pass to standard error");
  command.add_flag("--time-passes", options->time_passes, "prints how long each pass took");
  command.add_flag("--check-semantics", options->check_semantics,
                   "runs the interpreter before and after each pass and compares the outputs");
  command.add_flag("--no-locations", options->no_locations, "prints no source locations");
  command.add_flag("--list", options->list, "lists the passes and their parameters");
  command.add_flag("--json", options->json, "prints passes, times and the graph as JSON");
  return [options] { return run(*options); };
}

}  // namespace

const Command opt{
    "opt", "run passes over a graph and print it", add_options,
    "  argent opt net.ag --passes=simplify,cse,dce\n"
    "  argent opt net.ag --passes='grad{of=loss},simplify,dce' --check-semantics\n"
    "  argent opt resnet20_cifar --batch 8 --passes='default,layout{target=\"x86-64-v3\"}'\n"
    "  argent opt net.ag --passes=simplify,dce --print-after-all --time-passes --dump-dir=dump\n"
    "  argent opt --list"};

}  // namespace ag::commands
