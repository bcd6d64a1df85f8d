// argent bench: how long a network takes, and how much of the machine it uses.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "ir/file.h"
#include "tools/bench_subject.h"
#include "tools/command.h"
#include "tools/measurement.h"
#include "tools/output_file.h"
#include "tools/program.h"
#include "tools/whole_number.h"
#include "tools/yardstick.h"

namespace ag::commands {
namespace {

struct BenchArguments {
  ProgramOptions program;
  std::string entry, trace, html;
  int threads = 1;
  int runs = 0;  // 0: as many as fit into kBudget
  bool kernels = false, json = false;

  bool wants_steps() const { return kernels || !trace.empty() || !html.empty(); }
  bool wants_events() const { return !trace.empty() || !html.empty(); }
};

using Clock = std::chrono::steady_clock;
constexpr double kBudget = 2;  // seconds of each measurement
constexpr int kLeastRuns = 5, kMostRuns = 1000;
constexpr int kMostTracedRuns = 20;

// Times of the runs, sorted, with the yardstick's own between them.
std::vector<double> measure(BenchSubject& subject, Yardstick& yardstick, int runs) {
  subject.run();
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  auto enough = [&] {
    const int done = static_cast<int>(times.size());
    if (runs > 0) return done >= runs;
    const std::chrono::duration<double> spent = Clock::now() - start;
    return done >= kMostRuns || (done >= kLeastRuns && spent.count() > kBudget);
  };
  while (!enough()) {
    yardstick.between_runs();
    times.push_back(subject.run());
  }
  std::sort(times.begin(), times.end());
  return times;
}

// "conv_direct{tile_k=2}" as its name and its parameters.
std::pair<std::string, std::string> schedule_parts(std::string_view text) {
  const size_t open = text.find('{');
  if (open == text.npos) return {std::string(text), ""};
  return {std::string(text.substr(0, open)),
          std::string(text.substr(open + 1, text.size() - open - 2))};
}

std::vector<MeasuredStep> measured_steps(BenchSubject& subject, int runs) {
  const std::vector<argent_step_time> times = subject.profile(runs);
  std::vector<MeasuredStep> steps;
  for (size_t i = 0; i < times.size(); ++i) {
    const argent_step_info& info = subject.steps()[i];
    MeasuredStep step;
    step.layer = info.scope;
    step.file = info.file;
    step.kernel = info.name;
    step.line = static_cast<int>(info.line);
    step.flops = info.flops;
    step.bytes = info.bytes;
    step.nanoseconds = std::max<double>(1, static_cast<double>(times[i].minimum_ns));
    if (!subject.details().empty()) {
      const argent_step_detail& detail = subject.details()[i];
      std::tie(step.algorithm, step.schedule) = schedule_parts(detail.schedule);
      step.live_bytes = static_cast<int64_t>(detail.live_bytes);
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

MeasuredEntry measure_entry(BenchSubject& subject, const BenchArguments& arguments,
                            Yardstick& yardstick) {
  const std::vector<double> times = measure(subject, yardstick, arguments.runs);
  MeasuredEntry entry;
  entry.name = subject.info().name;
  entry.runs = static_cast<int64_t>(times.size());
  entry.minimum_ms = times[0] * 1e3;
  entry.median_ms = times[times.size() / 2] * 1e3;
  entry.arena_bytes = static_cast<int64_t>(subject.info().arena_bytes);
  for (const argent_step_info& step : subject.steps()) entry.flops += step.flops;
  const int runs = static_cast<int>(entry.runs);
  if (arguments.wants_steps()) entry.steps = measured_steps(subject, runs);
  if (arguments.wants_events()) entry.events = subject.trace(std::min(runs, kMostTracedRuns));
  yardstick.after_runs();
  entry.limits = yardstick.limits();
  return entry;
}

// ---- text ----

void print_steps(const MeasuredEntry& entry) {
  size_t layer = 5, source = 4, kernel = 6;
  double sum = 0;
  for (const MeasuredStep& step : entry.steps) {
    layer = std::max(layer, step.layer.size());
    source = std::max(source, step.source().size());
    kernel = std::max(kernel, step.kernel.size());
    sum += step.nanoseconds;
  }
  fmt::print("\n{:<{}}  {:<{}}  {:>9}  {:>6}  {:>8}  {:>7}  {:>6}  {:>6}  {:<{}}  schedule\n",
             "layer", layer, "line", source, "ms", "% time", "GFLOP/s", "GB/s", "% peak", "% roof",
             "kernel", kernel);
  for (const MeasuredStep& step : entry.steps) {
    fmt::print("{:<{}}  {:<{}}  {:>9.4f}  {:>6.1f}  {:>8.1f}  {:>7.1f}  {:>6.1f}  {:>6.1f}  ",
               step.layer, layer, step.source(), source, step.nanoseconds * 1e-6,
               100 * step.nanoseconds / sum, step.gflops(), step.gb_per_s(),
               100 * step.gflops() / entry.limits.peak_gflops,
               step.percent_of_roofline(entry.limits));
    if (step.algorithm.empty())
      fmt::print("{}\n", step.kernel);
    else
      fmt::print("{:<{}}  {}{{{}}}\n", step.kernel, kernel, step.algorithm, step.schedule);
  }
  fmt::print(
      "\nroofline: {:.1f} GFLOP/s of multiply-adds, {:.1f} GB/s {}; over 100 %: the data was in a "
      "cache\n",
      entry.limits.peak_gflops, entry.limits.copy_gb_per_s,
      entry.limits.is_device ? "of its memory, as the driver states them"
                             : "of copies through memory");
}

void print_entry(const MeasuredEntry& entry, int threads) {
  const std::string on =
      entry.limits.is_device ? "" : fmt::format(", {} thread{}", threads, threads == 1 ? "" : "s");
  fmt::print(
      "{}: min {:.4f} ms, median {:.4f} ms of {} runs; {:.2f} GFLOP/s, {:.1f} % of {:.1f} ({}{})\n",
      entry.name, entry.minimum_ms, entry.median_ms, entry.runs, entry.gflops(),
      100 * entry.gflops() / entry.limits.peak_gflops, entry.limits.peak_gflops,
      entry.limits.instructions, on);
}

// ---- the command ----

std::vector<int> entries_to_measure(const LoadedProgram& program, const std::string& name) {
  if (!name.empty()) return {program.entry_index(name)};
  std::vector<int> entries;
  for (uint32_t i = 0; i < program.library().entry_count; ++i)
    entries.push_back(static_cast<int>(i));
  return entries;
}

void write_files(const Measurement& measurement, const BenchArguments& arguments) {
  if (!arguments.trace.empty()) write_file(arguments.trace, chrome_trace(measurement));
  if (!arguments.html.empty()) write_file(arguments.html, html_report(measurement));
  for (const std::string& file : {arguments.trace, arguments.html})
    if (!file.empty()) fmt::print(stderr, "wrote {}\n", file);
}

// Before the runs: that the files can be written, and over nothing that is read or written here.
void check_files(const BenchArguments& arguments) {
  const std::string model = network_file(arguments.program.model);
  const std::string& weights = arguments.program.network.weights;
  if (!arguments.trace.empty())
    check_writable(arguments.trace, "--trace FILE.json", {model, weights});
  if (!arguments.html.empty()) check_writable(arguments.html, "--html FILE.html", {model, weights});
  if (!arguments.html.empty() && arguments.html == arguments.trace) {
    throw CompileError(fmt::format("the report and the trace would both be {}", arguments.html))
        .help("give each a file of its own");
  }
}

int bench_program(const BenchArguments& arguments) {
  check_files(arguments);
  const std::shared_ptr<LoadedProgram> program = load_program(arguments.program);
  const argent_library& library = program->library();
  ProgramInstance instance = instance_of(*program, arguments.program, arguments.threads);
  Measurement measurement = {library.name,
                             library.target,
                             arguments.threads,
                             static_cast<int64_t>(library.weight_bytes),
                             {}};
  Yardstick yardstick(library, arguments.threads, arguments.wants_steps());
  for (int entry : entries_to_measure(*program, arguments.entry)) {
    BenchSubject subject(instance, entry);
    measurement.entries.push_back(measure_entry(subject, arguments, yardstick));
    if (arguments.json) continue;
    print_entry(measurement.entries.back(), arguments.threads);
    if (arguments.kernels) print_steps(measurement.entries.back());
  }
  if (arguments.json) fmt::print("{}\n", json_of(measurement).dump(2));
  write_files(measurement, arguments);
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
  command.add_option("--trace", arguments->trace,
                     "writes what each thread did when, for ui.perfetto.dev");
  command.add_option("--html", arguments->html,
                     "writes a report: timeline, roofline, memory, kernels");
  command.add_flag("--json", arguments->json, "prints the figures as JSON");
  return [arguments] { return bench_program(*arguments); };
}

}  // namespace

const Command bench{"bench", "time, GFLOP/s and share of this machine's FMA peak", add_options,
                    "  argent bench resnet20_cifar --kernels\n"
                    "  argent bench resnet20.so --threads 2 --json\n"
                    "  argent bench resnet18 --threads 2 --html resnet18.html --trace trace.json\n"
                    "  argent bench net.cpp:make_net --batch 1,8 --runs 100"};

}  // namespace ag::commands
