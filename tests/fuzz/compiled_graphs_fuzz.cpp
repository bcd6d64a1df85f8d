// Random graphs compiled in random ways equal the interpreter: 300 fixed seeds, and those that once
// found something. tests/fuzz/search.cpp looks for more.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <numeric>

#include "tests/fuzz/compiled_graph.h"

using namespace ag;

namespace {

constexpr unsigned kGraphs = 300;
constexpr size_t kGraphsPerProgram = 25;

// One seed a line; "#" begins a comment.
std::vector<unsigned> kept_seeds() {
  std::ifstream file(ARGENT_SOURCE_DIR "/tests/fuzz/kept_seeds.txt");
  REQUIRE(file);
  std::vector<unsigned> seeds;
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line[0] != '#')
      seeds.push_back(static_cast<unsigned>(std::strtoul(line.c_str(), nullptr, 10)));
  return seeds;
}

void check(std::span<const unsigned> seeds) {
  for (size_t first = 0; first < seeds.size(); first += kGraphsPerProgram) {
    const size_t count = std::min(kGraphsPerProgram, seeds.size() - first);
    for (const CompiledGraphFailure& failure : check_compiled_graphs(seeds.subspan(first, count)))
      FAIL_CHECK(failure.text);
  }
}

}  // namespace

TEST_CASE("compiled random graphs equal the interpreter") {
  std::vector<unsigned> seeds(kGraphs);
  std::iota(seeds.begin(), seeds.end(), 0u);
  check(seeds);
}

TEST_CASE("seeds that once found a mistake find none") { check(kept_seeds()); }

TEST_CASE("every way of compiling is among the seeds") {
  int apart = 0, random = 0, row_major = 0, winograd = 0, gradients = 0;
  for (unsigned seed = 0; seed < kGraphs; ++seed) {
    const Combination combination = Combination::of_seed(seed);
    apart += !combination.fused;
    random += combination.layouts == Combination::Layouts::random;
    row_major += combination.layouts == Combination::Layouts::row_major;
    winograd += combination.winograd_tile != 0;
    gradients += combination.gradients;
  }
  for (int count : {apart, random, row_major, winograd, gradients}) CHECK(count > 50);
}
