// Random graphs compiled in many ways, against the interpreter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/op_cases.h"

namespace ag {

// How one graph is compiled. Drawn from its seed, as the graph is.
struct Combination {
  enum class Layouts {
    row_major,  // everywhere
    target,     // as the schedules like it
    random,     // blocked, permuted and padded anywhere: right for no schedule in particular
  };
  bool fused = true;  // else each primitive is a kernel
  Layouts layouts = Layouts::target;
  int64_t winograd_tile = 0;  // of all convolutions that it can compute; 0: none
  bool gradients = false;     // of a loss, in f32, by every float leaf

  static Combination of_seed(unsigned seed);
  static Combination of_text(const std::string& text);
  std::string text() const;  // "fused, layouts random, winograd 4, gradients"
};

// A graph with values for its leaves. Its seed draws random layouts, and the graph itself unless a
// file has it.
struct FuzzCase {
  unsigned seed = 0;
  Combination combination;
  BuiltCase built;
};

FuzzCase fuzz_case(unsigned seed);
// PATH.ag, whose first line tells seed and combination, and PATH.safetensors: a graph as it was
// drawn, whatever op cases there will be to draw from.
void keep_case(const FuzzCase& one, const std::string& path);
FuzzCase kept_case(const std::string& path);

struct CompiledGraphFailure {
  unsigned seed = 0;
  std::string text;  // the combination, what differs, the graph
};

// Compiles these graphs into one program (when that fails, each into its own) and runs each.
// Kernels that the cache has are not compiled again.
std::vector<CompiledGraphFailure> check_compiled_graphs(std::vector<FuzzCase> cases);

}  // namespace ag
