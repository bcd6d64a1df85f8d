// Random graphs compiled in random ways equal the interpreter: 300 fixed seeds, and graphs that
// once showed something. tests/fuzz/search.cpp looks for more.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "ir/print.h"
#include "tests/fuzz/compiled_graph.h"

using namespace ag;

namespace {

constexpr unsigned kGraphs = 300;
constexpr unsigned kGraphsPerProgram = 25;

void check(std::vector<FuzzCase> cases) {
  for (const CompiledGraphFailure& failure : check_compiled_graphs(std::move(cases)))
    FAIL_CHECK(failure.text);
}

}  // namespace

TEST_CASE("compiled random graphs equal the interpreter") {
  for (unsigned first = 0; first < kGraphs; first += kGraphsPerProgram) {
    std::vector<FuzzCase> cases;
    for (unsigned seed = first; seed < std::min(first + kGraphsPerProgram, kGraphs); ++seed)
      cases.push_back(fuzz_case(seed));
    check(std::move(cases));
  }
}

TEST_CASE("graphs that once showed a mistake show none") {
  std::vector<FuzzCase> cases;
  for (const auto& entry :
       std::filesystem::directory_iterator(ARGENT_SOURCE_DIR "/tests/fuzz/kept"))
    if (entry.path().extension() == ".ag")
      cases.push_back(kept_case(entry.path().parent_path() / entry.path().stem()));
  REQUIRE(!cases.empty());
  check(std::move(cases));
}

TEST_CASE("a kept graph is the one that was drawn") {
  const std::string path = std::filesystem::temp_directory_path() / fmt::format("kept{}", getpid());
  for (unsigned seed : {0u, 1u, 2u, 3u}) {
    const FuzzCase drawn = fuzz_case(seed);
    keep_case(drawn, path);
    const FuzzCase read = kept_case(path);
    CHECK(read.seed == seed);
    CHECK(read.combination.text() == drawn.combination.text());
    CHECK(print(read.built.graph) == print(drawn.built.graph));
    REQUIRE(read.built.bindings.size() == drawn.built.bindings.size());
    for (const auto& [name, value] : drawn.built.bindings)
      CHECK(read.built.bindings.at(name).floats == value.floats);
  }
  std::filesystem::remove(path + ".ag");
  std::filesystem::remove(path + ".safetensors");
}

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
