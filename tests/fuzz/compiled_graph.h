// Random graphs compiled in many ways, against the interpreter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

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
  std::string text() const;  // "fused, layouts random, winograd 4, gradients"
};

struct CompiledGraphFailure {
  unsigned seed = 0;
  std::string text;  // the combination, what differs, the graph
};

// Compiles the graphs of these seeds into one program (when that fails, each into its own) and runs
// each. Kernels that the cache has are not compiled again.
std::vector<CompiledGraphFailure> check_compiled_graphs(std::span<const unsigned> seeds);

}  // namespace ag
