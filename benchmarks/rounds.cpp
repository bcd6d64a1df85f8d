// One network, run once per line on standard input, for benchmarks that interleave it with peers:
//
//   rounds forward|train NETWORK BATCH THREADS [winograd=off]
//
// Each line "run" answers with the milliseconds of one run, each line "peak" with the most GFLOP/s
// of this machine's FMA loop on one thread so far. The first line printed describes the program as
// JSON.

#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "deploy/compile.h"
#include "frontend/init/draw.h"
#include "frontend/zoo/zoo.h"
#include "tools/fma_peak.h"
#include "train/training_step.h"

namespace {

using namespace ag;

CompiledProgram compile_forward(const Model& model, bool winograd) {
  return compile_program(model, {.winograd = winograd});
}

CompiledProgram compile_step(const Model& model) {
  TrainingStep step = training_step(model, {.optimizer = sgd(0.01, {.momentum = 0.9})});
  WeightMap values = model.weights();
  for (const Parameter& parameter : step.parameters) {
    if (!values.contains(parameter.name)) values[parameter.name] = draw(parameter, 0);
  }
  ProgramEntry entry{"step", step.graph};
  return compile_graphs("step", {&entry, 1}, values);
}

// Smooth values in place of images, classes in turn in place of labels, 0.01 for the learning rate.
Array example_input(const plan::Tensor& tensor) {
  Array array(tensor.dtype, tensor.shape);
  for (int64_t i = 0; i < array.count(); ++i) {
    double value = tensor.shape.empty() ? 0.01 : static_cast<double>(i * 7919 % 2003) / 1001.5 - 1;
    array.set_double(i, is_float(tensor.dtype) ? value : static_cast<double>(i % 10));
  }
  return array;
}

double milliseconds(ProgramInstance& instance, const std::vector<Array>& inputs) {
  auto start = std::chrono::steady_clock::now();
  instance.run(0, inputs);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

int serve(const std::string& mode, const std::string& network, int64_t batch, int threads,
          bool winograd) {
  Model model = zoo_model(network, batch);
  model.initialize(1);
  auto start = std::chrono::steady_clock::now();
  CompiledProgram compiled =
      mode == "train" ? compile_step(model) : compile_forward(model, winograd);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ProgramInstance instance = LoadedProgram::in_memory(compiled.program)->instance(threads);
  std::vector<Array> inputs;
  int64_t flops = 0;
  const plan::Entry& entry = compiled.program.entries[0];
  for (int tensor : entry.inputs) inputs.push_back(example_input(compiled.program.tensors[tensor]));
  for (const plan::Step& step : entry.steps) flops += step.flops;
  nlohmann::json description = {{"network", network},
                                {"mode", mode},
                                {"batch", batch},
                                {"threads", threads},
                                {"gflop", static_cast<double>(flops) * 1e-9},
                                {"compile_seconds", seconds},
                                {"kernels", compiled.statistics.distinct},
                                {"cached", compiled.statistics.cached},
                                {"arena_bytes", compiled.memory[0].arena_bytes},
                                {"arena_lower_bound", compiled.memory[0].lower_bound}};
  std::cout << description.dump() << std::endl;
  FmaPeak peak(1);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "peak") {
      peak.burst();
      std::cout << peak.gflops() << std::endl;
    } else {
      std::cout << milliseconds(instance, inputs) << std::endl;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool winograd = argc < 6 || std::string(argv[5]) != "winograd=off";
  if (argc < 5 || argc > (winograd ? 5 : 6) ||
      (std::string(argv[1]) != "forward" && std::string(argv[1]) != "train")) {
    std::cerr << "usage: rounds forward|train NETWORK BATCH THREADS [winograd=off]\n";
    return 1;
  }
  return serve(argv[1], argv[2], std::stoll(argv[3]), std::stoi(argv[4]), winograd);
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
