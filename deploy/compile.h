// Models as compiled programs: callables in this process, libraries and programs on disk.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "codegen/link/emit.h"
#include "codegen/link/loaded_program.h"
#include "frontend/model.h"

namespace ag {

struct CompileOptions {
  // A level of codegen/target.h: of processors, or "cuda-sm_80" of NVIDIA's devices, "cuda" the one
  // here. A file may be for several of a kind, "x86-64-v3,x86-64-v4": the machine it runs on then
  // gets the highest it has.
  std::string target = "host";
  std::vector<int64_t> batch = {};  // one entry point each: "forward_b8"; empty: as traced
  std::string name = {};            // of the library's functions; empty: from the file or model
  int threads = 1;                  // of a callable
  bool explain = false;             // keep the loop nests of the kernels
  bool winograd = true;             // where it is faster: errors up to 1e-4 of a result's range
};

// The model's inference as a program with an entry point for each batch size. Throws CompileError
// when the model has no weights.
CompiledProgram compile_program(const Model& model, const CompileOptions& options = {});

// Writes the compiled model: NAME.so (with NAME.h beside it), .a, .o, .h, or without one of these
// endings a program `./NAME in.npy out.npy`. The file appears whole or not at all.
void compile(const Model& model, const std::string& path, CompileOptions options = {});

// A compiled graph to call. Arrays go in and come out in the order of the graph's inputs and
// outputs. Not for two threads at once; copies are the same instance.
class CompiledGraph {
 public:
  CompiledGraph(std::shared_ptr<LoadedProgram> program, int threads);

  std::vector<Array> operator()(std::span<const Array> inputs);
  // For one input and one output.
  Array operator()(const Array& input);

  ProgramInstance& instance() { return *instance_; }

 private:
  std::shared_ptr<ProgramInstance> instance_;
};

CompiledGraph compile(const Graph& graph, const WeightMap& weights, CompileOptions options = {});

// A compiled model to call with any batch size: each size gets its own program the first time.
class CompiledModel {
 public:
  CompiledModel(Model model, CompileOptions options);
  Array operator()(const Array& input);

 private:
  Model model_;
  CompileOptions options_;
  std::map<int64_t, CompiledGraph> by_batch_;
};

CompiledModel compile(const Model& model, CompileOptions options = {});

// A C identifier from any text: "my-net.v2" becomes "my_net_v2".
std::string c_identifier(std::string_view text);

}  // namespace ag
