// A compiled network by itself, through the C ABI alone, as a product would load it:
//
//   library_rounds NET.so THREADS INPUT.f32 OUTPUT.f32
//
// Opens the library, runs its first entry on the values of INPUT, writes the first result to OUTPUT
// and prints a line of JSON: milliseconds from dlopen to that result, memory. Then each line "run"
// of standard input is answered with the milliseconds of one run, "memory" with the most resident
// kilobytes so far, "peak" with the most GFLOP/s of this machine's FMA loop on THREADS threads so
// far, "copy" with the GB/s, read and written, of a copy that no cache holds, on as many.

#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/argent_abi.h"
#include "tools/copy_bandwidth.h"
#include "tools/fma_peak.h"

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// A field of /proc/self/status in kilobytes.
long status_kb(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stol(line.substr(field.size() + 1));
  }
  throw std::runtime_error("no " + field + " in /proc/self/status");
}

// A caller's tensor, on memory of its own.
struct Tensor {
  const argent_tensor_info& info;
  std::vector<float> values;

  explicit Tensor(const argent_tensor_info& described)
      : info(described), values(described.bytes / sizeof(float)) {
    if (info.dtype != ARGENT_F32) throw std::runtime_error(std::string(info.name) + " is not f32");
  }
  argent_tensor view() { return {values.data(), info.shape, info.bytes, info.rank, info.dtype}; }
};

class Network {
 public:
  Network(const char* path, unsigned threads) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(dlerror());
    auto model = reinterpret_cast<const argent_library* (*)()>(dlsym(library, "argent_model"));
    if (!model) throw std::runtime_error(dlerror());
    argent_error error{};
    argent_network* network = argent_open(model(), &error);
    if (network) instance_ = argent_create(network, threads, &error);
    if (!instance_) throw std::runtime_error(error.message);
    const argent_entry_info& entry = model()->entries[0];
    if (entry.input_count != 1) throw std::runtime_error("a network of one input is expected");
    input_.emplace_back(*entry.inputs[0]);
    for (unsigned i = 0; i < entry.output_count; ++i) outputs_.emplace_back(*entry.outputs[i]);
  }

  void read_input(const char* path) {
    std::vector<float>& values = input_[0].values;
    const auto bytes = static_cast<std::streamsize>(values.size() * sizeof(float));
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(values.data()), bytes))
      throw std::runtime_error(std::string(path) + " is shorter than the input");
  }
  void write_output(const char* path) {
    const std::vector<float>& values = outputs_[0].values;
    const auto bytes = static_cast<std::streamsize>(values.size() * sizeof(float));
    std::ofstream file(path, std::ios::binary);
    if (!file.write(reinterpret_cast<const char*>(values.data()), bytes))
      throw std::runtime_error(std::string("cannot write ") + path);
  }

  double run() {
    argent_tensor input = input_[0].view();
    std::vector<argent_tensor> outputs;
    for (Tensor& output : outputs_) outputs.push_back(output.view());
    const Clock::time_point start = Clock::now();
    const int code =
        argent_run(instance_, 0, &input, 1, outputs.data(), static_cast<unsigned>(outputs.size()));
    const double time = milliseconds_since(start);
    if (code != ARGENT_OK) throw std::runtime_error(argent_message(instance_));
    return time;
  }

 private:
  argent_instance* instance_ = nullptr;
  std::vector<Tensor> input_, outputs_;
};

void answer(Network& network, int threads) {
  ag::FmaPeak peak(threads);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "run") {
      std::cout << network.run() << std::endl;
    } else if (line == "peak") {
      peak.burst();
      std::cout << peak.gflops() << std::endl;
    } else if (line == "copy") {
      ag::CopyBandwidth copies(threads);
      for (int i = 0; i < 4; ++i) copies.burst();
      std::cout << copies.gb_per_s() << std::endl;
    } else if (line == "memory") {
      std::cout << status_kb("VmHWM") << std::endl;
    } else {
      throw std::runtime_error("unknown request '" + line + "'");
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::cerr << "usage: library_rounds NET.so THREADS INPUT.f32 OUTPUT.f32\n";
    return 1;
  }
  const Clock::time_point start = Clock::now();
  Network network(argv[1], static_cast<unsigned>(std::stoul(argv[2])));
  network.read_input(argv[3]);
  network.run();
  const double first = milliseconds_since(start);
  network.write_output(argv[4]);
  std::cout << "{\"first_result_ms\": " << first << ", \"peak_rss_kb\": " << status_kb("VmHWM")
            << "}" << std::endl;
  answer(network, std::stoi(argv[2]));
  return 0;
} catch (const std::exception& error) {
  std::cerr << "library_rounds: " << error.what() << "\n";
  return 1;
}
