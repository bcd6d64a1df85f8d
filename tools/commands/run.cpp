// argent run: arrays in files through a network, once.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "frontend/weights/npy.h"
#include "tools/command.h"
#include "tools/named_file.h"
#include "tools/output_file.h"
#include "tools/program.h"

namespace ag::commands {
namespace {

namespace fs = std::filesystem;

struct RunOptions {
  ProgramOptions program;
  std::vector<std::string> inputs, outputs;
  std::string entry;
  int threads = 1;
  bool json = false;
};

using Infos = std::span<const argent_tensor_info* const>;

Infos inputs_of(const argent_entry_info& entry) { return {entry.inputs, entry.input_count}; }
Infos outputs_of(const argent_entry_info& entry) { return {entry.outputs, entry.output_count}; }

// The arrays for an entry's inputs, in order.
std::vector<Array> read_inputs(const argent_entry_info& entry, const RunOptions& options) {
  const std::vector<std::string> files = files_of(inputs_of(entry), options.inputs, "input");
  std::vector<Array> arrays;
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].empty()) {
      throw CompileError(fmt::format("input '{}' has no file", entry.inputs[i]->name))
          .help(fmt::format("--input {}=FILE.npy, of type {}", entry.inputs[i]->name,
                            to_string(type_of(*entry.inputs[i]))));
    }
    arrays.push_back(read_npy(files[i]));
  }
  return arrays;
}

void check_inputs(const argent_entry_info& entry, const std::vector<Array>& inputs,
                  const RunOptions& options) {
  const std::vector<std::string> files = files_of(inputs_of(entry), options.inputs, "input");
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorType wanted = type_of(*entry.inputs[i]);
    if (inputs[i].type() == wanted) continue;
    throw CompileError(fmt::format("{} holds {}, but input '{}' of {} is {}", files[i],
                                   to_string(inputs[i].type()), entry.inputs[i]->name, entry.name,
                                   to_string(wanted)))
        .help("give an array of that type, or compile the network for this one");
  }
}

bool fits(const argent_entry_info& entry, std::span<const Array> inputs) {
  for (uint32_t i = 0; i < entry.input_count; ++i)
    if (inputs[i].type() != type_of(*entry.inputs[i])) return false;
  return true;
}

// The entry that is asked for, else the first that the inputs fit, else the first, whose refusal
// then says what does not fit.
int choose_entry(const LoadedProgram& program, const RunOptions& options) {
  if (!options.entry.empty()) return program.entry_index(options.entry);
  const argent_library& library = program.library();
  for (uint32_t i = 0; library.entry_count > 1 && i < library.entry_count; ++i) {
    const argent_entry_info& entry = library.entries[i];
    if (entry.input_count == options.inputs.size() && fits(entry, read_inputs(entry, options)))
      return static_cast<int>(i);
  }
  return 0;
}

// A network is compiled for the batch of its first input.
void take_batch(RunOptions& options) {
  const std::string& model = options.program.model;
  if (is_library(model) || model.ends_with(".ag") || !options.program.batch.empty()) return;
  const Array input = read_npy(file_in(options.inputs[0]));
  if (!input.shape().empty() && input.shape()[0] > 0) options.program.batch = {input.shape()[0]};
}

// The first values, for outputs without a file.
std::string sample_text(const Array& array) {
  constexpr int64_t kShown = 8;
  std::string text;
  for (int64_t i = 0; i < std::min(array.count(), kShown); ++i)
    text += fmt::format(" {:.6g}", array.get_double(i));
  return array.count() > kShown ? text + " …" : text;
}

void report(const argent_entry_info& entry, const std::vector<Array>& outputs,
            const std::vector<std::string>& files, double seconds, bool json) {
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string name = entry.outputs[i]->name, type = to_string(outputs[i].type());
    rows.push_back({{"name", name}, {"type", type}, {"file", files[i]}});
    if (json) continue;
    fmt::print("{}: {}{}\n", name, type,
               files[i].empty() ? sample_text(outputs[i]) : " in " + files[i]);
  }
  if (!json) return;
  nlohmann::json result = {{"entry", entry.name}, {"seconds", seconds}, {"outputs", rows}};
  fmt::print("{}\n", result.dump(2));
}

// Before the work: that each output can be written, and over none of the files that are read or
// written here.
void check_outputs(const RunOptions& options) {
  for (size_t i = 0; i < options.outputs.size(); ++i) {
    const std::string file = file_in(options.outputs[i]);
    check_writable(file, "--output FILE.npy",
                   {options.program.model, options.program.network.weights});
    for (const std::string& input : options.inputs)
      check_writable(file, "--output FILE.npy", {file_in(input)});
    for (size_t other = 0; other < i; ++other) {
      if (fs::path(file_in(options.outputs[other])).lexically_normal() !=
          fs::path(file).lexically_normal()) {
        continue;
      }
      throw CompileError(fmt::format("two outputs would be written to {}", file))
          .help("give each output a file of its own");
    }
  }
}

int run_network(RunOptions options) {
  check_outputs(options);
  take_batch(options);
  const std::shared_ptr<LoadedProgram> program = load_program(options.program);
  const int index = choose_entry(*program, options);
  const argent_entry_info& entry = program->library().entries[index];
  const std::vector<std::string> files = files_of(outputs_of(entry), options.outputs, "output");
  const std::vector<Array> inputs = read_inputs(entry, options);
  check_inputs(entry, inputs, options);
  ProgramInstance instance = instance_of(*program, options.program, options.threads);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Array> outputs = instance.run(index, inputs);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (size_t i = 0; i < files.size(); ++i)
    if (!files[i].empty()) write_npy(files[i], outputs[i]);
  report(entry, outputs, files, seconds.count(), options.json);
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto options = std::make_shared<RunOptions>();
  add_program_or_library_options(command, options->program);
  command.add_option("-i,--input", options->inputs, "x.npy, or NAME=x.npy; once per input")
      ->required();
  command.add_option("-o,--output", options->outputs, "y.npy, or NAME=y.npy; once per output");
  command.add_option("--entry", options->entry,
                     "function of the library (the first whose inputs fit)");
  add_threads_option(command, options->threads);
  command.add_flag("--json", options->json, "prints what was written as JSON");
  return [options] { return run_network(*options); };
}

}  // namespace

const Command run{"run", "arrays in .npy files through a network", add_options,
                  "  argent run resnet20.so --input image.npy --output logits.npy\n"
                  "  argent run lenet5 --weights lenet5.safetensors --input x.npy --output y.npy\n"
                  "  argent run pair.ag --input left=a.npy --input right=b.npy --output y.npy"};

}  // namespace ag::commands
