// argent run: a network on arrays from files.
#include <chrono>
#include <nlohmann/json.hpp>

#include "frontend/weights/npy.h"
#include "tools/command.h"
#include "tools/program.h"

namespace ag::commands {
namespace {

struct RunArguments {
  ProgramOptions program;
  std::vector<std::string> inputs, outputs;
  std::string entry;
  int threads = 1;
  bool json = false;
};

bool takes(const argent_entry_info& entry, const std::vector<Array>& inputs) {
  if (entry.input_count != inputs.size()) return false;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (type_of(*entry.inputs[i]) != inputs[i].type()) return false;
  return true;
}

std::string inputs_text(const argent_entry_info& entry) {
  std::string text;
  for (uint32_t i = 0; i < entry.input_count; ++i)
    text += (i ? ", " : "") + to_string(type_of(*entry.inputs[i]));
  return text;
}

// The entry named, or the one that takes these inputs.
int entry_for(const LoadedProgram& program, const std::string& name,
              const std::vector<Array>& inputs) {
  if (!name.empty()) return program.entry_index(name);
  const argent_library& library = program.library();
  std::string given, known;
  for (uint32_t i = 0; i < library.entry_count; ++i) {
    if (takes(library.entries[i], inputs)) return static_cast<int>(i);
    known += fmt::format("{}{} takes {}", i ? "; " : "", library.entries[i].name,
                         inputs_text(library.entries[i]));
  }
  for (const Array& input : inputs) given += (given.empty() ? "" : ", ") + to_string(input.type());
  throw CompileError(fmt::format("run: no entry takes {}", given)).help(known);
}

std::string sample_text(const Array& array) {
  constexpr int64_t kShown = 8;
  std::string text;
  for (int64_t i = 0; i < std::min(array.count(), kShown); ++i)
    text += fmt::format(" {:.6g}", array.get_double(i));
  return array.count() > kShown ? text + " …" : text;
}

void report(const argent_entry_info& entry, const std::vector<Array>& results, double seconds,
            const RunArguments& arguments) {
  nlohmann::json outputs = nlohmann::json::array();
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string name = entry.outputs[i]->name, type = to_string(results[i].type());
    const std::string file = i < arguments.outputs.size() ? arguments.outputs[i] : "";
    if (!file.empty()) write_npy(file, results[i]);
    outputs.push_back({{"name", name}, {"type", type}, {"file", file}});
    if (arguments.json) continue;
    fmt::print("{}: {}{}\n", name, type, file.empty() ? sample_text(results[i]) : " in " + file);
  }
  if (arguments.json) {
    nlohmann::json result = {{"entry", entry.name}, {"seconds", seconds}, {"outputs", outputs}};
    fmt::print("{}\n", result.dump(2));
  }
}

int run_command(RunArguments arguments) {
  std::vector<Array> inputs;
  for (const std::string& file : arguments.inputs) inputs.push_back(read_npy(file));
  if (arguments.program.batch.empty() && !inputs[0].shape().empty() && inputs[0].shape()[0] > 0 &&
      !arguments.program.model.ends_with(".ag"))
    arguments.program.batch = {inputs[0].shape()[0]};
  std::shared_ptr<LoadedProgram> program = load_program(arguments.program);
  const int index = entry_for(*program, arguments.entry, inputs);
  const argent_entry_info& entry = program->library().entries[index];
  if (arguments.outputs.size() > entry.output_count) {
    throw CompileError(fmt::format("run: {} output files are given, but {} has {} outputs",
                                   arguments.outputs.size(), entry.name, entry.output_count));
  }
  ProgramInstance instance = program->instance(arguments.threads);
  const auto start = std::chrono::steady_clock::now();
  std::vector<Array> results = instance.run(index, inputs);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  report(entry, results, seconds.count(), arguments);
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto arguments = std::make_shared<RunArguments>();
  command
      .add_option("MODEL", arguments->program.model,
                  "a library of argent compile (.so), a name of the zoo, net.ag, or "
                  "net.cpp[:function]")
      ->required();
  command.add_option("-i,--input", arguments->inputs, "a .npy file for each input, in order")
      ->required();
  command.add_option("-o,--output", arguments->outputs, "a .npy file for each output, in order");
  command.add_option("--entry", arguments->entry, "entry point (the first that takes the inputs)");
  command.add_option("--threads", arguments->threads, "threads to run with")
      ->check(CLI::Range(1, ARGENT_MAX_THREADS));
  add_program_options(command, arguments->program);
  command.add_flag("--json", arguments->json, "prints entry, time and outputs as JSON");
  return [arguments] { return run_command(*arguments); };
}

}  // namespace

const Command run{"run", "run a network on .npy files", add_options,
                  "  argent run lenet5.so --input x.npy --output y.npy\n"
                  "  argent run resnet20_cifar --weights resnet20.th --input x.npy"};

}  // namespace ag::commands
