// argent explain: what became of a network: its kernels, their schedules, their loops.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "codegen/plan/kernel_request.h"
#include "ir/ops/kernel.h"
#include "tools/command.h"
#include "tools/program.h"

namespace ag::commands {
namespace {

struct ExplainArguments {
  ProgramOptions program;
  std::string kernel;
  bool nest = false, json = false;
};

// A kernel and what the program does with it.
struct Explained {
  const KernelReport* report = nullptr;
  std::string name, kernel_class;
  std::vector<std::string> layers;  // each once, in order
  int steps = 0;                    // calls, those of `prepare` among them
  int64_t flops = 0, bytes = 0;     // of one call
};

std::string layer_text(const Location& location) {
  const std::string scope(location.scope);
  if (location.file.empty()) return scope;
  const std::string line = fmt::format("{}:{}", location.file, location.line);
  return scope.empty() ? line : fmt::format("{} ({})", scope, line);
}

// Classes of the kernels by name and layer.
using Classes = std::map<std::pair<std::string, std::string>, std::string>;

Classes classes_of(const NetworkProgram& network, const ProgramOptions& options) {
  const Target& target = find_target(options.target);
  Classes classes;
  for (const ProgramEntry& entry : network.entries) {
    const Graph graph = lower_to_kernels(entry.graph, target, options.lowering());
    for (int i = 0; i < graph.size(); ++i) {
      const Node& node = graph.node(i);
      if (!node.is(ops::kernel)) continue;
      const std::string name = plan::kernel_name(node.attributes.graph("body"));
      classes[{name, layer_text(node.location)}] = node.attributes.string("class");
    }
  }
  return classes;
}

void add_step(Explained& kernel, const plan::Step& step, const Classes& classes) {
  const std::string layer = layer_text(step.location);
  if (++kernel.steps == 1) {
    kernel.name = step.name;
    kernel.flops = step.flops;
    kernel.bytes = step.bytes;
    const auto found = classes.find({step.name, layer});
    if (found != classes.end()) kernel.kernel_class = found->second;
  }
  const bool known =
      std::find(kernel.layers.begin(), kernel.layers.end(), layer) != kernel.layers.end();
  if (!known && !layer.empty()) kernel.layers.push_back(layer);
}

std::vector<Explained> explained(const CompiledProgram& compiled, const Classes& classes) {
  std::vector<Explained> kernels;
  std::map<std::string, size_t> by_symbol;
  for (const KernelReport& report : compiled.kernels) {
    by_symbol[report.request.symbol] = kernels.size();
    kernels.push_back({&report});
  }
  auto add = [&](const std::vector<plan::Step>& steps) {
    for (const plan::Step& step : steps) {
      const auto found = by_symbol.find(step.kernel);  // routines and plain copies have no schedule
      if (found != by_symbol.end()) add_step(kernels[found->second], step, classes);
    }
  };
  add(compiled.program.prepare);
  for (const plan::Entry& entry : compiled.program.entries) add(entry.steps);
  return kernels;
}

bool matches(const Explained& kernel, const std::string& part) {
  auto has = [&part](const std::string& text) { return text.find(part) != std::string::npos; };
  return has(kernel.report->request.symbol) || has(kernel.name) || has(kernel.kernel_class) ||
         has(kernel.report->request.schedule) ||
         std::any_of(kernel.layers.begin(), kernel.layers.end(), has);
}

std::vector<std::string> form_texts(const std::vector<BufferForm>& forms) {
  std::vector<std::string> texts;
  for (const BufferForm& form : forms) texts.push_back(plan::form_text(form));
  return texts;
}

nlohmann::json json_of(const Explained& kernel, bool nest) {
  const KernelReport& report = *kernel.report;
  nlohmann::json row = {{"symbol", report.request.symbol},
                        {"name", kernel.name},
                        {"class", kernel.kernel_class},
                        {"layers", kernel.layers},
                        {"calls", kernel.steps},
                        {"schedule", report.request.schedule},
                        {"target", report.request.target},
                        {"operands", form_texts(report.request.operands)},
                        {"results", form_texts(report.request.results)},
                        {"flops", kernel.flops},
                        {"bytes", kernel.bytes},
                        {"scratch_bytes", report.scratch_bytes},
                        {"object_bytes", report.object_bytes},
                        {"lowering_ms", report.lowering_ms},
                        {"llvm_ms", report.llvm_ms},
                        {"text", report.request.text}};
  if (nest) row["loop_nest"] = report.loop_nest;
  return row;
}

void print_kernel(const Explained& kernel, bool nest) {
  const KernelReport& report = *kernel.report;
  fmt::print("{}: {}, class {}\n", report.request.symbol, kernel.name, kernel.kernel_class);
  fmt::print("  layers    {}\n", fmt::join(kernel.layers, "\n            "));
  fmt::print("  schedule  {}\n", report.request.schedule);
  fmt::print("  operands  {}\n", fmt::join(form_texts(report.request.operands), "\n            "));
  fmt::print("  results   {}\n", fmt::join(form_texts(report.request.results), "\n            "));
  fmt::print("  a call    {} flops, {} bytes, {} bytes of scratch; {} calls\n", kernel.flops,
             kernel.bytes, report.scratch_bytes, kernel.steps);
  fmt::print("  object    {} bytes, compiled in {:.0f} ms (lowering {:.0f}, LLVM {:.0f})\n\n",
             report.object_bytes, report.lowering_ms + report.llvm_ms, report.lowering_ms,
             report.llvm_ms);
  if (nest) fmt::print("{}\n{}\n", report.request.text, report.loop_nest);
}

int explain_kernels(const ExplainArguments& arguments) {
  const NetworkProgram network = load_network_program(arguments.program, false);
  const CompiledProgram compiled = compile_network(network, arguments.program, arguments.nest);
  const Classes classes = classes_of(network, arguments.program);
  std::vector<Explained> kernels = explained(compiled, classes);
  const size_t all = kernels.size();
  std::erase_if(kernels, [&](const Explained& k) { return !matches(k, arguments.kernel); });
  if (kernels.empty() && all > 0) {
    throw CompileError(fmt::format("none of the {} kernels of {} has '{}' in its name, layers, "
                                   "class or schedule",
                                   all, network.name, arguments.kernel))
        .help("leave --kernel out to see them all");
  }
  if (!arguments.json) {
    for (const Explained& kernel : kernels) print_kernel(kernel, arguments.nest);
    return kSuccess;
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const Explained& kernel : kernels) rows.push_back(json_of(kernel, arguments.nest));
  fmt::print("{}\n", nlohmann::json{{"name", network.name}, {"kernels", rows}}.dump(2));
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto arguments = std::make_shared<ExplainArguments>();
  add_program_options(command, arguments->program);
  command.add_option("--kernel", arguments->kernel,
                     "only kernels with this in their name, layers, class or schedule");
  command.add_flag("--nest", arguments->nest, "prints each kernel's graph and loop nest, too");
  command.add_flag("--json", arguments->json, "prints the kernels as JSON");
  return [arguments] { return explain_kernels(*arguments); };
}

}  // namespace

const Command explain{"explain", "the kernels of a network: schedules, buffers, loops", add_options,
                      "  argent explain resnet20_cifar\n"
                      "  argent explain resnet20_cifar --kernel layer2.0.conv1 --nest\n"
                      "  argent explain kernel.ag --target x86-64-v3 --json"};

}  // namespace ag::commands
