// argent compile: a network as a file that needs no Argent, or as text.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "codegen/link/bake.h"
#include "codegen/link/device_code.h"
#include "codegen/link/disassembly.h"
#include "codegen/link/emit.h"
#include "ir/file.h"
#include "ir/print.h"
#include "ir/suggestion.h"
#include "tools/command.h"
#include "tools/compile_profile.h"
#include "tools/output_file.h"
#include "tools/program.h"
#include "tools/ptx_text.h"

namespace ag::commands {
namespace {

namespace fs = std::filesystem;

struct CompileArguments {
  ProgramOptions program;
  std::string output, emit, name;
  bool profile = false, json = false;
};

// ---- text of graphs and kernels ----

std::string graphs_text(const NetworkProgram& network, const ProgramOptions&) {
  std::string text;
  for (const ProgramEntry& entry : network.entries) text += print(entry.graph);
  return text;
}

std::string kernel_graphs_text(const NetworkProgram& network, const ProgramOptions& options) {
  const Target& target = find_target(options.target);
  std::string text;
  for (const ProgramEntry& entry : network.entries)
    text += print(lower_to_kernels(entry.graph, target, options.lowering()));
  return text;
}

std::string assembly_text(const CompiledProgram& compiled) {
  const Target& target = find_target(compiled.program.target);
  std::string text, symbol;
  for (const auto& [kernel, object] : compiled.program.kernels) {
    for (const Instruction& instruction : disassemble(*object, target)) {
      if (instruction.symbol != symbol) text += instruction.symbol + ":\n";
      symbol = instruction.symbol;
      text += "  " + instruction.text + "\n";
    }
  }
  return text;
}

std::string loop_nests_text(const CompiledProgram& compiled) {
  std::string text;
  for (const KernelReport& kernel : compiled.kernels) {
    text += fmt::format("# {}, schedule {}\n{}\n", kernel.request.symbol, kernel.request.schedule,
                        kernel.loop_nest);
  }
  return text;
}

// ---- kinds of output ----

struct Kind {
  std::string_view name, ending, summary;
  EmitKind binary = EmitKind::shared_library;  // unless one of the texts is given
  std::string (*text_of_graph)(const NetworkProgram&, const ProgramOptions&) = nullptr;
  std::string (*text_of_kernels)(const CompiledProgram&) = nullptr;
  bool explain = false;  // keep the loop nests

  bool is_text() const { return text_of_graph || text_of_kernels; }
};
constexpr Kind kKinds[] = {
    {"so", ".so", "shared library, with its header beside it", EmitKind::shared_library},
    {"a", ".a", "static library, with its header beside it", EmitKind::static_library},
    {"obj", ".o", "object file", EmitKind::object},
    {"header", ".h", "header of the library", EmitKind::header},
    {"exe", "", "program: ./NAME in.npy out.npy", EmitKind::executable},
    {"ag", ".ag", "the graph in text form", {}, graphs_text},
    {"kernels", ".kernels.ag", "the graph of fused kernels with layouts", {}, kernel_graphs_text},
    {"stmt", ".stmt", "loop nests of the kernels", {}, nullptr, loop_nests_text, true},
    {"asm", ".s", "assembly of the kernels", {}, nullptr, assembly_text},
    {"ptx", ".ptx", "the kernels for a CUDA target", {}, nullptr, ptx_text},
};

const Kind& kind_named(const std::string& name) {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) {
    if (kind.name == name) return kind;
    names.emplace_back(kind.name);
  }
  throw CompileError(fmt::format("compile: there is no output kind '{}'", name))
      .help(name_help(name, names, "kinds"));
}

// The kind whose ending the file has; the longest ending wins, none is a program.
const Kind& kind_of_file(std::string_view file) {
  const Kind* best = &kind_named("exe");
  for (const Kind& kind : kKinds)
    if (file.ends_with(kind.ending) && kind.ending.size() > best->ending.size()) best = &kind;
  return *best;
}

const Kind& kind_of(const CompileArguments& arguments) {
  if (!arguments.emit.empty()) return kind_named(arguments.emit);
  return arguments.output.empty() ? kind_named("so") : kind_of_file(arguments.output);
}

// ---- writing ----

std::string stem(const std::string& path) { return fs::path(path).stem().string(); }

// What was made, and what it took.
nlohmann::json json_of(const Kind& kind, const std::string& file, double seconds) {
  return {{"file", file},
          {"kind", kind.name},
          {"bytes", static_cast<int64_t>(fs::file_size(file))},
          {"seconds", seconds}};
}

void add_programs(nlohmann::json& made, std::span<const CompiledProgram> levels) {
  nlohmann::json entries = nlohmann::json::array();
  std::string targets;
  int kernels = 0, cached = 0;
  for (const CompiledProgram& compiled : levels) {
    const std::string& target = compiled.program.target;
    for (const plan::EntryMemory& memory : compiled.memory) {
      entries.push_back({{"name", memory.entry},
                         {"target", target},
                         {"arena_bytes", memory.arena_bytes},
                         {"arena_lower_bound", memory.lower_bound}});
    }
    targets += (targets.empty() ? "" : ",") + target;
    kernels += compiled.statistics.distinct;
    cached += compiled.statistics.cached;
  }
  made["name"] = levels[0].program.name;
  made["target"] = targets;
  made["kernels"] = kernels;
  made["cached"] = cached;
  made["entries"] = entries;
}

void print_text(const nlohmann::json& made, std::string_view summary) {
  constexpr double kKiB = 1024;
  fmt::print("{}: {}, {:.1f} KiB\n", made["file"].get<std::string>(), summary,
             made["bytes"].get<double>() / kKiB);
  if (!made.contains("kernels")) return;
  fmt::print("{} kernels for {}, {} of them from the cache, {:.2f} s\n", made["kernels"].get<int>(),
             made["target"].get<std::string>(), made["cached"].get<int>(),
             made["seconds"].get<double>());
  if (made.contains("ptxas")) {
    const std::string ptxas = made["ptxas"].get<std::string>();
    fmt::print("device code: PTX{}\n",
               ptxas.empty() ? "; without ptxas the driver compiles it when the library is opened"
                             : ", and assembled by " + ptxas);
  }
  const bool several = made["target"].get<std::string>().find(',') != std::string::npos;
  for (const nlohmann::json& entry : made["entries"]) {
    const std::string level = several ? " for " + entry["target"].get<std::string>() : "";
    fmt::print(
        "{}{}: arena {:.1f} KiB; no plan for this order of kernels has less than {:.1f} KiB\n",
        entry["name"].get<std::string>(), level, entry["arena_bytes"].get<double>() / kKiB,
        entry["arena_lower_bound"].get<double>() / kKiB);
  }
}

void write_text(const std::string& file, const std::string& text) {
  if (file == "-")
    fmt::print("{}", text);
  else
    write_file(file, text);
}

// What exists for a processor does not all exist for a CUDA device, and the other way round.
void check_kind(const Kind& kind, const Target& target) {
  const bool is_ptx = kind.name == "ptx";
  if (is_ptx && !target.is_cuda()) {
    throw CompileError(fmt::format("compile: {} has no PTX", target.name))
        .help("give --target cuda-sm_80 or cuda-sm_90");
  }
  if (target.is_cuda() && kind.name == "asm") {
    throw CompileError(fmt::format("compile: {} has no assembly but PTX", target.name))
        .help("give --emit ptx");
  }
}

// Checks what needs no work: the kind, the target, the output. Returns the file's name.
std::string output_of(const CompileArguments& arguments, const Kind& kind) {
  std::string file = arguments.output;
  if (file.empty())
    file = kind.is_text() ? "-"
                          : stem(network_file(arguments.program.model)) + std::string(kind.ending);
  if (file == "-" && !kind.is_text())
    throw CompileError("compile: a binary cannot be printed").help("name a file with -o");
  if (file == "-" && arguments.json)
    throw CompileError("compile: the text and --json would both be printed")
        .help("name a file with -o");
  if (arguments.profile && (file == "-" || kind.text_of_graph)) {
    throw CompileError(fmt::format("compile: --profile is of compiled kernels, and {}",
                                   kind.text_of_graph ? fmt::format("{} needs none", kind.summary)
                                                      : "the text would be printed with it"))
        .help(kind.text_of_graph ? "leave it out" : "name a file with -o");
  }
  const size_t levels = find_targets(arguments.program.target).size();
  if (kind.is_text() && levels > 1) {
    throw CompileError(
        fmt::format("compile: {} is of one target, but {} are given", kind.summary, levels))
        .help("give one --target");
  }
  check_kind(kind, *find_targets(arguments.program.target)[0]);
  if (file == "-") return file;
  // A name that was not given is never that of a network.
  const std::string model = arguments.output.empty() ? "" : network_file(arguments.program.model);
  check_writable(file, fmt::format("-o NAME{}", kind.ending),
                 {model, arguments.program.network.weights});
  if (!kind.is_text()) check_header_place(kind.binary, file);
  return file;
}

// The network for each level of --target.
std::vector<CompiledProgram> compile_levels(const NetworkProgram& network, ProgramOptions options,
                                            bool explain) {
  std::vector<CompiledProgram> levels;
  for (const Target* target : find_targets(options.target)) {
    options.target = target->name;
    levels.push_back(compile_network(network, options, explain));
  }
  return levels;
}

std::vector<plan::Program> baked(std::span<const CompiledProgram> levels) {
  std::vector<plan::Program> programs;
  for (const CompiledProgram& level : levels) programs.push_back(bake_weights(level.program));
  return programs;
}

// Seconds since this was made, or since it was last asked.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

int compile_file(const CompileArguments& arguments) {
  Stopwatch all, watch;
  CompileStages stages;
  const Kind& kind = kind_of(arguments);
  const std::string file = output_of(arguments, kind);
  NetworkProgram network = load_network_program(arguments.program, !kind.is_text());
  network.name = !arguments.name.empty() ? arguments.name : file != "-" ? stem(file) : network.name;
  stages.network = watch.lap();
  std::vector<CompiledProgram> compiled;
  if (!kind.text_of_graph) compiled = compile_levels(network, arguments.program, kind.explain);
  for (const CompiledProgram& level : compiled)
    stages.kernels += level.statistics.milliseconds * 1e-3;
  stages.passes = watch.lap() - stages.kernels;
  if (kind.text_of_graph)
    write_text(file, kind.text_of_graph(network, arguments.program));
  else if (kind.text_of_kernels)
    write_text(file, kind.text_of_kernels(compiled[0]));
  else
    emit_file(baked(compiled), kind.binary, file);
  if (file == "-") return kSuccess;
  stages.link = watch.lap();
  nlohmann::json made = json_of(kind, file, all.lap());
  if (!compiled.empty()) add_programs(made, compiled);
  if (!kind.is_text() && find_target(compiled[0].program.target).is_cuda())
    made["ptxas"] = find_ptxas().value_or("");
  if (arguments.profile) made["profile"] = compile_profile(compiled, stages);
  if (arguments.json)
    fmt::print("{}\n", made.dump(2));
  else
    print_text(made, kind.summary);
  if (arguments.profile && !arguments.json) print_compile_profile(made["profile"]);
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto arguments = std::make_shared<CompileArguments>();
  add_program_options(command, arguments->program);
  command.add_option("-o,--output", arguments->output,
                     "the file; its ending says what it is; '-' prints text");
  std::string kinds;
  for (const Kind& kind : kKinds) kinds += (kinds.empty() ? "" : ", ") + std::string(kind.name);
  command.add_option("--emit", arguments->emit, "what to write: " + kinds + " (so)");
  command.add_option("--name", arguments->name,
                     "of the library's functions (as the file is called)");
  command.add_flag("--profile", arguments->profile,
                   "tells where the time went: stages, and each kernel");
  command.add_flag("--json", arguments->json, "prints the result as JSON");
  return [arguments] { return compile_file(*arguments); };
}

}  // namespace

const Command compile{"compile", "compile a network into a library, program or text", add_options,
                      "  argent compile resnet20_cifar --weights resnet20.th -o resnet20.so\n"
                      "  argent compile net.cpp:make_net --target x86-64-v3 --batch 1,8,32\n"
                      "  argent compile lenet5 --target x86-64-v3,x86-64-v4 -o lenet5.so\n"
                      "  argent compile lenet5 --emit exe -o lenet5\n"
                      "  argent compile resnet18 --no-cache --profile\n"
                      "  argent compile lenet5 --emit kernels\n"
                      "  argent compile lenet5 --emit asm -o lenet5.s\n"
                      "  argent compile lenet5 --target cuda-sm_80 -o lenet5.so\n"
                      "  argent compile lenet5 --target cuda-sm_80 --emit ptx -o lenet5.ptx"};

}  // namespace ag::commands
