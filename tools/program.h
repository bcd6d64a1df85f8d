// Networks of the command line made ready to compile or to run: what compile, run, bench and
// explain share.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "tools/network.h"

namespace ag {

struct ProgramOptions {
  std::string model;
  NetworkOptions network;      // its batch is not read
  std::vector<int64_t> batch;  // one entry each; empty: the network's own
  std::string target = "host";
  bool no_cache = false;
  std::string winograd = "on";       // or "off"
  std::vector<std::string> without;  // of optional_passes()

  LoweringOptions lowering() const { return {winograd == "on", without}; }
};

// MODEL, --target, --batch, --weights, --seed, --classes, --input-shape, --no-cache,
// --winograd, --without
void add_program_options(CLI::App& command, ProgramOptions& options);
// MODEL may then be a compiled library, too.
void add_program_or_library_options(CLI::App& command, ProgramOptions& options);
// --threads, 1 … ARGENT_MAX_THREADS
void add_threads_option(CLI::App& command, int& threads);

// The entry points of a network's inference and the values of its parameters.
struct NetworkProgram {
  std::string name;
  std::vector<ProgramEntry> entries;
  WeightMap weights;
};

// An entry "forward_bN" for each batch size ("forward" for a graph in text form). Without --weights
// and --seed the parameters are drawn from seed 0; standard error says so if `weights_matter`.
// Throws CompileError.
NetworkProgram load_network_program(const ProgramOptions& options, bool weights_matter = true);

// `explain` keeps the kernels' loop nests.
CompiledProgram compile_network(const NetworkProgram& network, const ProgramOptions& options,
                                bool explain = false);

// Whether MODEL names a compiled library.
bool is_library(std::string_view model);

// A library made by Argent, or a network compiled in memory for this machine.
std::shared_ptr<LoadedProgram> load_program(const ProgramOptions& options);
// An instance of it; a library gets the values of --weights.
ProgramInstance instance_of(LoadedProgram& program, const ProgramOptions& options, int threads);

}  // namespace ag
