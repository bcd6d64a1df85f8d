// argent bench: how long a network takes, and how much of the machine it uses.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ir/philox.h"
#include "tools/command.h"
#include "tools/fma_peak.h"
#include "tools/program.h"
#include "tools/whole_number.h"

namespace ag::commands {
namespace {

struct BenchArguments {
  ProgramOptions program;
  std::string entry;
  int threads = 1;
  int runs = 0;  // 0: as many as fit into kBudget
  bool kernels = false, json = false;
};

using Clock = std::chrono::steady_clock;
constexpr double kBudget = 2;  // seconds of each measurement
constexpr int kLeastRuns = 5, kMostRuns = 1000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Floats in [-1, 1), the same each time; integers, which may be indices, are 0.
Array sample_input(const TensorType& type) {
  Array array(type.dtype, type.shape);
  if (!is_float(type.dtype)) return array;
  for (int64_t i = 0; i < array.count(); ++i) {
    const PhiloxBlock block = philox4x32({}, {static_cast<uint32_t>(i)});
    array.set_double(i, 2 * static_cast<double>(philox_uniform(block[0])) - 1);
  }
  return array;
}

// One entry of a program with arrays of its own to run on.
class Subject {
 public:
  Subject(ProgramInstance& instance, int entry) : instance_(instance), entry_(entry) {
    for (uint32_t i = 0; i < info().input_count; ++i)
      inputs_.push_back(sample_input(type_of(*info().inputs[i])));
    for (uint32_t i = 0; i < info().output_count; ++i) {
      const TensorType type = type_of(*info().outputs[i]);
      outputs_.emplace_back(type.dtype, type.shape);
    }
    for (const Array& input : inputs_) in_.push_back(&input);
    for (Array& output : outputs_) out_.push_back(&output);
  }
  Subject(const Subject&) = delete;

  const argent_entry_info& info() const { return instance_.program().library().entries[entry_]; }
  std::span<const argent_step_info> steps() const { return {info().steps, info().step_count}; }
  ProgramInstance& instance() { return instance_; }
  int entry() const { return entry_; }

  // Seconds of one run.
  double run() {
    const Clock::time_point start = Clock::now();
    instance_.run(entry_, in_, out_);
    return seconds_since(start);
  }

 private:
  ProgramInstance& instance_;
  int entry_;
  std::vector<Array> inputs_, outputs_;
  std::vector<const Array*> in_;
  std::vector<Array*> out_;
};

// Times of the runs, sorted, with bursts of the peak between them.
std::vector<double> measure(Subject& subject, FmaPeak& peak, int runs) {
  subject.run();
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  auto enough = [&] {
    const int done = static_cast<int>(times.size());
    if (runs > 0) return done >= runs;
    return done >= kMostRuns || (done >= kLeastRuns && seconds_since(start) > kBudget);
  };
  while (!enough()) {
    peak.burst();
    times.push_back(subject.run());
  }
  std::sort(times.begin(), times.end());
  return times;
}

// The fastest time of each step.
std::vector<argent_step_time> profile(Subject& subject, int runs) {
  subject.instance().set_profiling(true);
  for (int i = 0; i < runs; ++i) subject.run();
  std::vector<argent_step_time> times = subject.instance().step_times(subject.entry());
  subject.instance().set_profiling(false);
  return times;
}

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

nlohmann::json kernel_row(const argent_step_info& step, const argent_step_time& time, double peak) {
  const double nanoseconds = std::max<double>(1, static_cast<double>(time.minimum_ns));
  const double gflops = static_cast<double>(step.flops) / nanoseconds;
  const double gbs = static_cast<double>(step.bytes) / nanoseconds;
  return {{"layer", step.scope},      {"kernel", step.name},
          {"file", step.file},        {"line", step.line},
          {"ms", nanoseconds * 1e-6}, {"gflops", rounded(gflops)},
          {"gb_per_s", rounded(gbs)}, {"percent_of_peak", rounded(100 * gflops / peak)}};
}

nlohmann::json bench_entry(Subject& subject, const BenchArguments& arguments, FmaPeak& peak) {
  const std::vector<double> times = measure(subject, peak, arguments.runs);
  int64_t flops = 0;
  for (const argent_step_info& step : subject.steps()) flops += step.flops;
  const double gflops = static_cast<double>(flops) * 1e-9 / times[0];
  nlohmann::json row = {{"entry", subject.info().name},
                        {"runs", times.size()},
                        {"min_ms", times[0] * 1e3},
                        {"median_ms", times[times.size() / 2] * 1e3},
                        {"gflop", static_cast<double>(flops) * 1e-9},
                        {"gflops", rounded(gflops)},
                        {"peak_gflops", rounded(peak.gflops())},
                        {"percent_of_peak", rounded(100 * gflops / peak.gflops())}};
  if (!arguments.kernels) return row;
  const std::vector<argent_step_time> steps = profile(subject, static_cast<int>(times.size()));
  row["kernels"] = nlohmann::json::array();
  for (size_t i = 0; i < steps.size(); ++i)
    row["kernels"].push_back(kernel_row(subject.steps()[i], steps[i], peak.gflops()));
  return row;
}

std::string source_of(const nlohmann::json& kernel) {
  const std::string file = kernel["file"];
  return file.empty() ? "" : fmt::format("{}:{}", file, kernel["line"].get<int>());
}

void print_kernels(const nlohmann::json& kernels) {
  size_t layer = 5, source = 4;
  for (const nlohmann::json& kernel : kernels) {
    layer = std::max(layer, kernel["layer"].get<std::string>().size());
    source = std::max(source, source_of(kernel).size());
  }
  fmt::print("\n{:<{}}  {:<{}}  {:>9}  {:>8}  {:>7}  {:>6}  kernel\n", "layer", layer, "line",
             source, "ms", "GFLOP/s", "GB/s", "% peak");
  for (const nlohmann::json& kernel : kernels) {
    fmt::print("{:<{}}  {:<{}}  {:>9.4f}  {:>8.1f}  {:>7.1f}  {:>6.1f}  {}\n",
               kernel["layer"].get<std::string>(), layer, source_of(kernel), source,
               kernel["ms"].get<double>(), kernel["gflops"].get<double>(),
               kernel["gb_per_s"].get<double>(), kernel["percent_of_peak"].get<double>(),
               kernel["kernel"].get<std::string>());
  }
}

void print_entry(const nlohmann::json& row, int threads) {
  fmt::print(
      "{}: min {:.4f} ms, median {:.4f} ms of {} runs; {:.2f} GFLOP/s, {:.1f} % of {:.1f} "
      "({}, {} thread{})\n",
      row["entry"].get<std::string>(), row["min_ms"].get<double>(), row["median_ms"].get<double>(),
      row["runs"].get<size_t>(), row["gflops"].get<double>(), row["percent_of_peak"].get<double>(),
      row["peak_gflops"].get<double>(), FmaPeak::instructions(), threads, threads == 1 ? "" : "s");
  if (row.contains("kernels")) print_kernels(row["kernels"]);
}

int bench_program(const BenchArguments& arguments) {
  const std::shared_ptr<LoadedProgram> program = load_program(arguments.program);
  const argent_library& library = program->library();
  ProgramInstance instance = instance_of(*program, arguments.program, arguments.threads);
  std::vector<int> entries;
  if (!arguments.entry.empty()) entries = {program->entry_index(arguments.entry)};
  for (uint32_t i = 0; arguments.entry.empty() && i < library.entry_count; ++i)
    entries.push_back(static_cast<int>(i));
  nlohmann::json rows = nlohmann::json::array();
  FmaPeak peak(arguments.threads);
  for (int entry : entries) {
    Subject subject(instance, entry);
    rows.push_back(bench_entry(subject, arguments, peak));
    if (!arguments.json) print_entry(rows.back(), arguments.threads);
  }
  if (!arguments.json) return kSuccess;
  const nlohmann::json result = {{"name", library.name},
                                 {"target", library.target},
                                 {"threads", arguments.threads},
                                 {"peak_gflops", rounded(peak.gflops())},
                                 {"peak_instructions", FmaPeak::instructions()},
                                 {"entries", rows}};
  fmt::print("{}\n", result.dump(2));
  return kSuccess;
}

CommandAction add_options(CLI::App& command) {
  auto arguments = std::make_shared<BenchArguments>();
  add_program_or_library_options(command, arguments->program);
  add_threads_option(command, arguments->threads);
  command.add_option("--runs", arguments->runs, "runs of each entry (what 2 s allow, 5 to 1000)")
      ->check(whole_number(1, 1'000'000));
  command.add_option("--entry", arguments->entry, "the only entry point to measure (all)");
  command.add_flag("--kernels", arguments->kernels, "measures each kernel, too");
  command.add_flag("--json", arguments->json, "prints the figures as JSON");
  return [arguments] { return bench_program(*arguments); };
}

}  // namespace

const Command bench{"bench", "time, GFLOP/s and share of this machine's FMA peak", add_options,
                    "  argent bench resnet20_cifar --kernels\n"
                    "  argent bench resnet20.so --threads 2 --json\n"
                    "  argent bench net.cpp:make_net --batch 1,8 --runs 100"};

}  // namespace ag::commands
