// argent compile: a network as a file that needs no Argent.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "codegen/link/bake.h"
#include "codegen/link/emit.h"
#include "ir/file.h"
#include "ir/print.h"
#include "ir/suggestion.h"
#include "tools/command.h"
#include "tools/program.h"

namespace ag::commands {
namespace {

struct CompileArguments {
  ProgramOptions program;
  std::string output, emit;
  bool json = false;
};

// ---- kinds of output ----

template <EmitKind kind>
void write_binary(const CompileArguments& arguments) {
  if (arguments.output == "-")
    throw CompileError("compile: a binary cannot be printed").help("name a file with -o");
  CompiledProgram compiled = compile_network(arguments.program);
  emit_file(bake_weights(compiled.program), kind, arguments.output);
}

void write_text(const CompileArguments& arguments, const std::string& text) {
  if (arguments.output == "-")
    fmt::print("{}", text);
  else
    write_file(arguments.output, text);
}

void write_graph(const CompileArguments& arguments) {
  write_text(arguments,
             print(load_network(arguments.program.model, arguments.program.network).graph));
}

// The graph of kernels, as code generation sees it.
void write_kernels(const CompileArguments& arguments) {
  NamedNetwork network = load_network(arguments.program.model, arguments.program.network);
  write_text(arguments,
             print(lower_to_kernels(network.graph, find_target(arguments.program.target))));
}

// The loop nest of every kernel.
void write_loop_nests(const CompileArguments& arguments) {
  ProgramOptions program = arguments.program;
  program.explain = true;
  program.no_cache = true;  // objects from the cache come without
  std::string text;
  for (const KernelReport& kernel : compile_network(program).kernels)
    text += fmt::format("{}:\n{}\n", kernel.request.symbol, kernel.loop_nest);
  write_text(arguments, text);
}

struct Kind {
  std::string_view name, ending, summary;
  void (*write)(const CompileArguments&);
};
constexpr Kind kKinds[] = {
    {"so", ".so", "shared library, with its header beside it",
     write_binary<EmitKind::shared_library>},
    {"a", ".a", "static library, with its header beside it",
     write_binary<EmitKind::static_library>},
    {"obj", ".o", "object file", write_binary<EmitKind::object>},
    {"header", ".h", "header of the library", write_binary<EmitKind::header>},
    {"exe", "", "program: ./NAME in.npy out.npy", write_binary<EmitKind::executable>},
    {"ag", ".ag", "the graph in text form", write_graph},
    {"kernels", ".kernels.ag", "the graph of fused kernels with layouts", write_kernels},
    {"stmt", ".stmt", "loop nests of the kernels", write_loop_nests},
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

std::string stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

// "net" of "dir/net.cpp:make_net".
std::string model_stem(const std::string& model) {
  return stem(model.substr(0, model.find(".cpp:") + (model.find(".cpp:") != model.npos ? 4 : 0)));
}

int run(CompileArguments arguments) {
  const Kind& kind = !arguments.emit.empty()     ? kind_named(arguments.emit)
                     : !arguments.output.empty() ? kind_of_file(arguments.output)
                                                 : kind_named("so");
  if (arguments.output.empty())
    arguments.output = model_stem(arguments.program.model) + std::string(kind.ending);
  if (arguments.program.name.empty()) arguments.program.name = stem(arguments.output);
  kind.write(arguments);
  if (arguments.output == "-") return kSuccess;
  const auto bytes = std::filesystem::file_size(arguments.output);
  if (arguments.json) {
    nlohmann::json result = {{"file", arguments.output}, {"kind", kind.name}, {"bytes", bytes}};
    fmt::print("{}\n", result.dump(2));
  } else {
    fmt::print("{}: {}, {:.1f} KiB\n", arguments.output, kind.summary,
               static_cast<double>(bytes) / 1024);
  }
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto arguments = std::make_shared<CompileArguments>();
  command
      .add_option("MODEL", arguments->program.model,
                  "a name of the zoo, net.ag, or net.cpp[:function]")
      ->required();
  command.add_option("-o,--output", arguments->output,
                     "the file; its ending says what it is; '-' prints text");
  std::string kinds;
  for (const Kind& kind : kKinds) kinds += (kinds.empty() ? "" : ", ") + std::string(kind.name);
  command.add_option("--emit", arguments->emit, "what to write: " + kinds + " (so)");
  command.add_option("--name", arguments->program.name,
                     "of the library's functions (as the file is called)");
  add_program_options(command, arguments->program);
  command.add_flag("--json", arguments->json, "prints the result as JSON");
  return [arguments] { return run(*arguments); };
}

}  // namespace

const Command compile{"compile", "compile a network into a library, program or text", add_options,
                      "  argent compile resnet20_cifar --weights resnet20.th -o resnet20.so\n"
                      "  argent compile net.cpp:make_net --target x86-64-v3 --batch 1,8,32\n"
                      "  argent compile lenet5 --seed 0 --emit exe -o lenet5\n"
                      "  argent compile lenet5 --emit kernels -o -"};

}  // namespace ag::commands
