// Looks for random graphs that compiled code gets wrong, from where the last call stopped:
//
//   build/tests/fuzz_search fuzz.state 10000      may be interrupted and called again
//   build/tests/fuzz_search --keep 412 tests/fuzz/kept/NAME
//
// fuzz.state keeps the next seed and the seeds that failed; what they show is printed. Keep the
// graph of a seed, under the name of its mistake, before op cases change what seeds draw.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "ir/file.h"
#include "tests/fuzz/compiled_graph.h"

using namespace ag;

namespace {

constexpr unsigned kGraphsPerProgram = 25;
constexpr unsigned kFirstSeed = 300;  // those before are tested in every build

// "next 1300\nfailed 412\nfailed 977\n".
struct State {
  unsigned next = kFirstSeed;
  std::vector<unsigned> failed;
};

State read_state(const std::string& path) {
  State state;
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    unsigned seed = 0;
    file >> seed;
    if (word == "next") state.next = seed;
    if (word == "failed") state.failed.push_back(seed);
  }
  return state;
}

void write_state(const std::string& path, const State& state) {
  std::string text = fmt::format("next {}\n", state.next);
  for (unsigned seed : state.failed) text += fmt::format("failed {}\n", seed);
  write_file(path, text);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--keep" && argc == 4) {
    keep_case(fuzz_case(static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10))), argv[3]);
    return 0;
  }
  const unsigned count =
      argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 1000;
  if (argc < 2 || argc > 3 || count == 0 || first.starts_with("--")) {
    fmt::print(stderr,
               "{0} FILE [COUNT]: checks the next COUNT (1000) random graphs\n"
               "{0} --keep SEED PATH: writes a graph to PATH.ag and PATH.safetensors\n",
               argv[0]);
    return 1;
  }
  State state = read_state(argv[1]);
  const unsigned end = state.next + count;
  while (state.next < end) {
    const unsigned stop = std::min(state.next + kGraphsPerProgram, end);
    std::vector<FuzzCase> cases;
    for (; state.next < stop; ++state.next) cases.push_back(fuzz_case(state.next));
    for (const CompiledGraphFailure& failure : check_compiled_graphs(std::move(cases))) {
      state.failed.push_back(failure.seed);
      fmt::print("{}\n", failure.text);
    }
    std::fflush(stdout);
    write_state(argv[1], state);
    fmt::print(stderr, "\r{} of {}, {} failed ", state.next, end, state.failed.size());
  }
  fmt::print(stderr, "\n");
  return state.failed.empty() ? 0 : 1;
}
