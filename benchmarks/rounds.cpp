// One network, run once per line on standard input, for benchmarks that interleave it with peers:
//
//   rounds forward|train NETWORK[@EXTENT] BATCH THREADS [winograd=off]
//
// EXTENT, where given, is that of the input's spatial axes in the place of the zoo's.
// Each line "run" answers with the milliseconds of one run, each line "peak" with the most GFLOP/s
// of this machine's FMA loop on one thread so far. The first line printed describes the program as
// JSON.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "deploy/compile.h"
#include "frontend/analysis.h"
#include "frontend/init/draw.h"
#include "frontend/zoo/zoo.h"
#include "tools/fma_peak.h"
#include "train/training_step.h"

namespace {

using namespace ag;

CompiledProgram compile_forward(const Model& model, bool winograd) {
  return compile_program(model, {.winograd = winograd});
}

CompiledProgram compile_step(const Model& model, bool winograd) {
  TrainingStep step = training_step(model, {.optimizer = sgd(0.01, {.momentum = 0.9})});
  WeightMap values = model.weights();
  for (const Parameter& parameter : step.parameters) {
    if (!values.contains(parameter.name)) values[parameter.name] = draw(parameter, 0);
  }
  ProgramEntry entry{"step", step.graph};
  return compile_graphs("step", {&entry, 1}, values, {.winograd = winograd});
}

// Smooth values in place of images, classes in turn in place of labels, 0.01 for the learning rate.
Array example_input(const plan::Tensor& tensor, int64_t classes) {
  Array array(tensor.dtype, tensor.shape);
  for (int64_t i = 0; i < array.count(); ++i) {
    double value = tensor.shape.empty() ? 0.01 : static_cast<double>(i * 7919 % 2003) / 1001.5 - 1;
    array.set_double(i, is_float(tensor.dtype) ? value : static_cast<double>(i % classes));
  }
  return array;
}

double milliseconds(ProgramInstance& instance, const std::vector<Array>& inputs) {
  auto start = std::chrono::steady_clock::now();
  instance.run(0, inputs);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// NETWORK[@EXTENT]
Model find_model(const std::string& name, int64_t batch) {
  const size_t at = name.find('@');
  const int64_t extent = at == std::string::npos ? 0 : std::stoll(name.substr(at + 1));
  return zoo_model(name.substr(0, at), batch, 0, extent);
}

// Of convolutions and matrix products; a training step has each of them three times.
double product_flops(const std::string& network, const std::string& mode, int64_t batch) {
  const auto macs = static_cast<double>(analyse(find_model(network, 1).forward()).macs);
  return 2 * macs * static_cast<double>(batch) * (mode == "train" ? 3 : 1);
}

int serve(const std::string& mode, const std::string& network, int64_t batch, int threads,
          bool winograd) {
  Model model = find_model(network, batch);
  model.initialize(1);
  auto start = std::chrono::steady_clock::now();
  CompiledProgram compiled =
      mode == "train" ? compile_step(model, winograd) : compile_forward(model, winograd);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ProgramInstance instance = LoadedProgram::in_memory(compiled.program)->instance(threads);
  std::vector<Array> inputs;
  const plan::Entry& entry = compiled.program.entries[0];
  const int64_t classes =
      std::min<int64_t>(10, zoo_entry(network.substr(0, network.find('@'))).classes);
  for (int tensor : entry.inputs)
    inputs.push_back(example_input(compiled.program.tensors[tensor], classes));
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
    std::cerr << "usage: rounds forward|train NETWORK[@EXTENT] BATCH THREADS [winograd=off]\n";
    return 1;
  }
  return serve(argv[1], argv[2], std::stoll(argv[3]), std::stoi(argv[4]), winograd);
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
