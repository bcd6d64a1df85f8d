// build/tests/fuzz_search FILE [COUNT]: looks for random graphs that compiled code gets wrong, from
// where the last call stopped. FILE keeps the next seed and the seeds that failed; what they show
// is printed. Put those into tests/fuzz/kept_seeds.txt once they are mended.
//
//   build/tests/fuzz_search fuzz.state 10000      may be interrupted and called again
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

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
  const unsigned count =
      argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 1000;
  if (argc < 2 || argc > 3 || count == 0) {
    fmt::print(stderr, "{} FILE [COUNT]: checks the next COUNT (1000) random graphs\n", argv[0]);
    return 1;
  }
  State state = read_state(argv[1]);
  const unsigned end = state.next + count;
  while (state.next < end) {
    std::vector<unsigned> seeds;
    for (unsigned seed = state.next; seed < end && seeds.size() < kGraphsPerProgram; ++seed)
      seeds.push_back(seed);
    for (const CompiledGraphFailure& failure : check_compiled_graphs(seeds)) {
      state.failed.push_back(failure.seed);
      fmt::print("{}\n", failure.text);
    }
    std::fflush(stdout);
    state.next += static_cast<unsigned>(seeds.size());
    write_state(argv[1], state);
    fmt::print(stderr, "\r{} of {}, {} failed ", state.next, end, state.failed.size());
  }
  fmt::print(stderr, "\n");
  return state.failed.empty() ? 0 : 1;
}
