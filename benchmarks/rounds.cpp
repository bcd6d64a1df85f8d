// One network, run once per line on standard input, for benchmarks that interleave it with peers:
//
//   rounds forward|train NETWORK[@EXTENT] BATCH THREADS [winograd=off] [without=PASS]...
//
// EXTENT, where given, is that of the input's spatial axes in the place of the zoo's.
// Each line "run" answers with the milliseconds of one run, each line "peak" with the most GFLOP/s
// of this machine's FMA loop on THREADS threads so far, each line "kernels" with a line for every
// step of a run (the fastest of five): milliseconds, GFLOP/s, what it computes, layer, schedule.
// The first line printed describes the program as JSON.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "benchmarks/subject.h"
#include "frontend/analysis.h"
#include "tools/fma_peak.h"

namespace {

using namespace ag;

// Of convolutions and matrix products; a training step has each of them three times.
double product_flops(const std::string& network, const std::string& mode, int64_t batch) {
  const auto macs = static_cast<double>(analyse(model_of({network, 1}).forward()).macs);
  return 2 * macs * static_cast<double>(batch) * (mode == "train" ? 3 : 1);
}

std::string kernels_text(ProgramInstance& instance, const std::vector<Array>& inputs,
                         const std::vector<plan::Step>& steps) {
  instance.set_profiling(true);
  for (int run = 0; run < 5; ++run) instance.run(0, inputs);
  const std::vector<argent_step_time> times = instance.step_times(0);
  instance.set_profiling(false);
  std::string text;
  for (size_t i = 0; i < steps.size(); ++i) {
    const double seconds = 1e-9 * static_cast<double>(times[i].minimum_ns);
    text += fmt::format("{:9.4f} {:7.1f}  {}  {}  {}\n", 1e3 * seconds,
                        1e-9 * static_cast<double>(steps[i].flops) / seconds, steps[i].name,
                        steps[i].location.scope, steps[i].schedule);
  }
  return text;
}

int serve(const std::string& mode, const std::string& network, int64_t batch, int threads,
          const LoweringOptions& lowering) {
  auto start = std::chrono::steady_clock::now();
  const Subject subject{network, batch, mode == "train"};
  CompiledProgram compiled = compile_subject(subject, lowering);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ProgramInstance instance = LoadedProgram::in_memory(compiled.program)->instance(threads);
  const std::vector<Array> inputs = example_inputs(subject, compiled.program);
  nlohmann::json description = {{"network", network},
                                {"mode", mode},
                                {"batch", batch},
                                {"threads", threads},
                                {"gflop", 1e-9 * product_flops(network, mode, batch)},
                                {"compile_seconds", seconds},
                                {"kernels", compiled.statistics.distinct},
                                {"cached", compiled.statistics.cached},
                                {"arena_bytes", compiled.memory[0].arena_bytes},
                                {"arena_lower_bound", compiled.memory[0].lower_bound}};
  std::cout << description.dump() << std::endl;
  FmaPeak peak(threads);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "peak") {
      peak.burst();
      std::cout << peak.gflops() << std::endl;
    } else if (line == "kernels") {
      std::cout << kernels_text(instance, inputs, compiled.program.entries[0].steps) << std::endl;
    } else {
      std::cout << milliseconds(instance, inputs) << std::endl;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  LoweringOptions lowering{.winograd = true};
  bool known = argc >= 5 && (std::string(argv[1]) == "forward" || std::string(argv[1]) == "train");
  for (int i = 5; i < argc; ++i) {
    const std::string option = argv[i], without = "without=";
    if (option == "winograd=off") {
      lowering.winograd = false;
    } else if (option.starts_with(without)) {
      lowering.without.push_back(option.substr(without.size()));
    } else {
      known = false;
    }
  }
  if (!known) {
    std::cerr << "usage: rounds forward|train NETWORK[@EXTENT] BATCH THREADS [winograd=off] "
                 "[without=PASS]...\n";
    return 1;
  }
  return serve(argv[1], argv[2], positive_integer("batch", argv[3]),
               static_cast<int>(positive_integer("threads", argv[4])), lowering);
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
