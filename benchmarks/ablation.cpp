// What each optimisation is worth: networks compiled with everything, and again without one pass at
// a time, run in turns in this process.
//
//   ablation [--threads N] [--seconds S] SUBJECT...
//
// SUBJECT is NETWORK[@EXTENT] for inference of one image, NETWORK[@EXTENT]:BATCH for a training
// step. Prints a table in Markdown: the milliseconds of each subject with everything (the minimum
// of the rounds), then for each pass how many times as long the subject takes without it, as the
// median of the rounds' ratios; a dash where the pass changes no kernel.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <set>

#include "benchmarks/subject.h"

namespace {

using namespace ag;

Subject parse_subject(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {text};
  return {text.substr(0, colon), std::stoll(text.substr(colon + 1)), true};
}

struct Variant {
  std::string without;  // "" of everything
  std::set<std::string> kernels;
  ProgramInstance instance;
  std::vector<double> times = {};
};

std::set<std::string> kernels_of(const CompiledProgram& compiled) {
  std::set<std::string> kernels;
  for (const KernelReport& kernel : compiled.kernels) kernels.insert(kernel.request.symbol);
  return kernels;
}

std::vector<Variant> compile_variants(const Subject& subject, int threads,
                                      std::vector<Array>& inputs) {
  std::vector<Variant> variants;
  auto add = [&](std::vector<std::string> without) {
    const CompiledProgram compiled =
        compile_subject(subject, {.winograd = true, .without = without});
    std::set<std::string> kernels = kernels_of(compiled);
    if (!variants.empty() && kernels == variants[0].kernels) return;
    if (variants.empty()) inputs = example_inputs(subject, compiled.program);
    variants.push_back({without.empty() ? "" : without[0], std::move(kernels),
                        LoadedProgram::in_memory(compiled.program)->instance(threads)});
  };
  add({});
  for (std::string_view pass : optional_passes()) add({std::string(pass)});
  return variants;
}

// Rounds of two runs of each variant, the second timed; five rounds at least. A variant that takes
// several times as long as everything is timed once.
void run_rounds(std::vector<Variant>& variants, const std::vector<Array>& inputs, double seconds) {
  constexpr int kLeast = 5;
  constexpr double kFar = 4;
  const auto start = std::chrono::steady_clock::now();
  auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  for (int round = 0; round < kLeast || elapsed() < seconds; ++round) {
    for (Variant& variant : variants) {
      const bool known = round > 0 && variant.times[0] > kFar * variants[0].times[0];
      if (known) continue;
      milliseconds(variant.instance, inputs);  // its own weights and buffers in the caches
      variant.times.push_back(milliseconds(variant.instance, inputs));
    }
  }
}

double median_ratio(const Variant& without, const Variant& everything) {
  std::vector<double> ratios;
  for (size_t i = 0; i < without.times.size(); ++i)
    ratios.push_back(without.times[i] / everything.times[i]);
  std::nth_element(ratios.begin(), ratios.begin() + ratios.size() / 2, ratios.end());
  return ratios[ratios.size() / 2];
}

std::string table_row(const std::string& name, const std::vector<Variant>& variants) {
  const std::vector<double>& times = variants[0].times;
  std::string row =
      fmt::format("| {} | {:.2f} |", name, *std::min_element(times.begin(), times.end()));
  for (std::string_view pass : optional_passes()) {
    auto variant = std::find_if(variants.begin(), variants.end(),
                                [&](const Variant& v) { return v.without == pass; });
    row += variant == variants.end()
               ? " – |"
               : fmt::format(" {:.2f} |", median_ratio(*variant, variants[0]));
  }
  return row;
}

int measure(const std::vector<std::string>& subjects, int threads, double seconds) {
  std::string head = "| | ms |", rule = "| --- | --- |";
  for (std::string_view pass : optional_passes()) {
    head += fmt::format(" {} |", pass);
    rule += " --- |";
  }
  std::cout << head << "\n" << rule << std::endl;
  for (const std::string& name : subjects) {
    std::vector<Array> inputs;
    std::vector<Variant> variants = compile_variants(parse_subject(name), threads, inputs);
    run_rounds(variants, inputs, seconds);
    std::cout << table_row(name, variants) << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> subjects;
  int threads = 1;
  double seconds = 5;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool option = argument.starts_with("--") && i + 1 < argc;
    if (option && argument == "--threads") {
      threads = std::stoi(argv[++i]);
    } else if (option && argument == "--seconds") {
      seconds = std::stod(argv[++i]);
    } else {
      subjects.push_back(argument);
    }
  }
  if (subjects.empty() || subjects[0].starts_with("--")) {
    std::cerr << "usage: ablation [--threads N] [--seconds S] NETWORK[@EXTENT][:BATCH]...\n";
    return 1;
  }
  return measure(subjects, threads, seconds);
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
