// Networks of the command line as compiled programs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "tools/command.h"
#include "tools/network.h"

namespace ag {

// What `argent compile`, `run` and `bench` ask for in the same words.
struct ProgramOptions {
  std::string model;
  NetworkOptions network;
  std::vector<int64_t> batch;  // one entry each; empty: the network's own
  std::string target = "host";
  std::string name;  // of the program; empty: the network's
  bool no_cache = false;
  bool explain = false;
};

// --target, --batch, --weights, --seed, --classes, --input-shape, --no-cache
void add_program_options(CLI::App& command, ProgramOptions& options);

// Compiles the inference of the network, an entry "forward_bN" for each batch size ("forward" for
// a graph in text form). Progress goes to standard error. Throws CompileError.
CompiledProgram compile_network(const ProgramOptions& options);

// A library made by Argent, or a network compiled in memory for this machine.
std::shared_ptr<LoadedProgram> load_program(const ProgramOptions& options);

// "my-net.v2" as a C identifier: "my_net_v2".
std::string identifier_of(std::string_view text);

}  // namespace ag
