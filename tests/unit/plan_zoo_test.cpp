// Plans of all networks of the zoo, without compiling a kernel: memory and copies.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "codegen/compile.h"
#include "codegen/plan/arena.h"
#include "codegen/plan/copies.h"
#include "frontend/zoo/zoo.h"
#include "train/training_step.h"

using namespace ag;

namespace {

plan::ProgramPlan plan_of(const Graph& graph, const Target& target,
                          const LoweringOptions& options = {}) {
  const Graph kernels = lower_to_kernels(graph, target, options);
  const plan::EntryGraph entry{"main", &kernels};
  return plan::plan_program("network", target, {&entry, 1});
}

void check_memory(const plan::ProgramPlan& plan, double most) {
  const plan::EntryMemory& memory = plan.memory[0];
  CHECK(static_cast<double>(memory.arena_bytes) <= most * static_cast<double>(memory.lower_bound));
}

// Networks of which every layer reads and writes blocks of channels.
bool is_free_of_copies(std::string_view name) {
  constexpr std::string_view kFree[] = {"squeezenet", "densenet",  "googlenet", "inception",
                                        "unet",       "resnet",    "resnext",   "mobilenet",
                                        "regnet",     "efficient", "r3d"};
  return std::any_of(std::begin(kFree), std::end(kFree),
                     [&](std::string_view family) { return name.starts_with(family); });
}

}  // namespace

TEST_CASE("networks of the zoo take at most a twentieth more memory than they must") {
  for (const ZooEntry& entry : zoo_entries()) {
    CAPTURE(std::string(entry.name));
    const plan::ProgramPlan plan =
        plan_of(zoo_model(entry.name).forward(), find_target("x86-64-v4"));
    check_memory(plan, 1.05);
    if (!is_free_of_copies(entry.name)) continue;
    for (const plan::Copy& copy : plan::copies_of(plan, plan.program.entries[0])) {
      INFO(copy.what << " at " << copy.location.text());
      CHECK(copy.at_edge);
    }
  }
}

TEST_CASE("first layers of three channels and 3x3 taps read the caller's image as it is") {
  for (const char* target : {"x86-64-v3", "x86-64-v4", "cuda-sm_80"}) {
    for (const char* name : {"mobilenet_v2", "efficientnet_b0", "resnet20_cifar"}) {
      CAPTURE(target);
      CAPTURE(name);
      const plan::ProgramPlan plan = plan_of(zoo_model(name).forward(), find_target(target));
      CHECK(plan::copies_of(plan, plan.program.entries[0]).empty());
    }
  }
}

TEST_CASE("without shared storage, concats and slices are copies") {
  for (const char* name : {"densenet121", "googlenet", "wavenet"}) {
    CAPTURE(name);
    const Graph graph = zoo_model(name).forward();
    const plan::ProgramPlan shared = plan_of(graph, find_target("x86-64-v4"));
    const plan::ProgramPlan apart =
        plan_of(graph, find_target("x86-64-v4"), {.without = {"share_storage"}});
    CHECK(plan::copies_of(apart, apart.program.entries[0]).size() >
          plan::copies_of(shared, shared.program.entries[0]).size());
  }
}

TEST_CASE("training steps take at most a quarter more memory than they must") {
  for (const char* name : {"lenet5", "resnet20_cifar", "squeezenet1_1", "densenet121"}) {
    CAPTURE(name);
    const Graph step = training_step(zoo_model(name, 2), {}).graph;
    check_memory(plan_of(step, find_target("x86-64-v3")), 1.25);
  }
}

TEST_CASE("an arena's pieces that live together do not overlap") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<plan::Lifetime> lifetimes;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random() % 40);
      const int64_t bytes = static_cast<int64_t>(random() % 9) * 100;
      lifetimes.push_back({bytes, first, first + static_cast<int>(random() % 9)});
    }
    const plan::ArenaPlan arena = plan::plan_arena(lifetimes);
    CHECK(arena.bytes >= arena.lower_bound);
    for (size_t a = 0; a < lifetimes.size(); ++a) {
      CHECK(arena.offsets[a] + lifetimes[a].bytes <= arena.bytes);
      for (size_t b = 0; b < a; ++b) {
        const bool together =
            lifetimes[a].first <= lifetimes[b].last && lifetimes[b].first <= lifetimes[a].last;
        const bool apart = arena.offsets[a] + lifetimes[a].bytes <= arena.offsets[b] ||
                           arena.offsets[b] + lifetimes[b].bytes <= arena.offsets[a];
        if (together && !apart) FAIL("round " << round << ": " << a << " and " << b);
      }
    }
  }
}

TEST_CASE("a piece goes where its threads wrote the last time, or where no cache has lines") {
  constexpr int64_t kExpanded = 400'000, kFiltered = 300'000, kBlock = 50'000;
  std::vector<plan::Lifetime> lifetimes{{6'000'000, 0, 0}};  // an arena with room
  for (int block = 0; block < 6; ++block) {
    const int step = 1 + 3 * block;
    lifetimes.push_back({kExpanded, step, step + 1});
    lifetimes.push_back({kFiltered, step + 1, step + 2, true});
    lifetimes.push_back({kBlock, step + 2, step + 5, true});
  }
  const plan::ArenaPlan arena = plan::plan_arena(lifetimes);
  CHECK(arena.bytes == plan::aligned_bytes(6'000'000));
  for (size_t block = 1; block < 6; ++block) {
    CAPTURE(block);
    const size_t expanded = 1 + 3 * block, before = expanded - 3;
    CHECK(arena.offsets[expanded] == arena.offsets[before]);
    for (const size_t written : {expanded + 1, expanded + 2}) {
      for (const size_t read : {before + 1, before + 2}) {
        CHECK((arena.offsets[written] >= arena.offsets[read] + lifetimes[read].bytes ||
               arena.offsets[read] >= arena.offsets[written] + lifetimes[written].bytes));
      }
    }
  }
}
