// What each optimisation is worth: networks compiled with everything, and again without one pass at
// a time, run in turns in this process.
//
//   ablation [--threads N] [--seconds S] [--write FILE] [SUBJECT...]
//
// SUBJECT is NETWORK[@EXTENT] for inference of one image, NETWORK[@EXTENT]:BATCH for a training
// step; without any, those of benchmarks/peers. Prints a table in Markdown: the milliseconds of
// each subject with everything (the minimum of the rounds), then for each pass how many times as
// long the subject takes without it, as the median of the rounds' ratios; a dash where the pass
// changes no kernel; and a second table of what is left with everything: copies between kernels
// and memory. --write makes a page of both, written anew after each subject.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <map>
#include <set>

#include "benchmarks/subject.h"
#include "codegen/plan/copies.h"
#include "ir/file.h"

namespace {

using namespace ag;

// benchmarks/peers/networks.py has the same.
constexpr const char* kAllSubjects[] = {"lenet5",
                                        "resnet20_cifar",
                                        "alexnet",
                                        "densenet121",
                                        "mobilenet_v1",
                                        "mobilenet_v2",
                                        "resnet18",
                                        "resnet18_cifar",
                                        "resnet50",
                                        "squeezenet1_1",
                                        "vgg16",
                                        "googlenet",
                                        "inception_v3",
                                        "mobilenet_v3_small",
                                        "mobilenet_v3_large",
                                        "efficientnet_b0",
                                        "resnext50_32x4d",
                                        "regnet_y_400mf",
                                        "nfnet_l0",
                                        "convnext_tiny",
                                        "vit_b_16",
                                        "deit_tiny",
                                        "swin_t",
                                        "unet",
                                        "deeplabv3_resnet50",
                                        "r3d_18",
                                        "wavenet",
                                        "lenet5:64",
                                        "resnet20_cifar:128",
                                        "mobilenet_v2@96:16",
                                        "deit_tiny:16",
                                        "unet@128:2",
                                        "resnet18_cifar:128"};

Subject parse_subject(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {text};
  return {text.substr(0, colon), positive_integer("batch", text.substr(colon + 1)), true};
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

// What one call does and keeps, with every pass.
struct Remainder {
  size_t steps = 0;
  size_t copies = 0, edge_copies = 0;  // steps that only move elements: between kernels; from the
                                       // caller's inputs or to its outputs
  int64_t copied_bytes = 0;            // by both, read and written
  plan::EntryMemory memory;
};

Remainder remainder_of(const Subject& subject) {
  const plan::ProgramPlan plan = plan_subject(subject, {.winograd = true});
  const plan::Entry& entry = plan.program.entries[0];
  Remainder left{entry.steps.size(), 0, 0, 0, plan.memory[0]};
  for (const plan::Copy& copy : plan::copies_of(plan, entry)) {
    ++(copy.at_edge ? left.edge_copies : left.copies);
    left.copied_bytes += copy.bytes;
  }
  return left;
}

struct Row {
  std::string name;
  double milliseconds = 0;
  std::map<std::string, double, std::less<>> ratios;  // by pass; one that changes nothing has none
  Remainder left;
};

Row measure(const std::string& name, int threads, double seconds) {
  const Subject subject = parse_subject(name);
  std::vector<Array> inputs;
  std::vector<Variant> variants = compile_variants(subject, threads, inputs);
  run_rounds(variants, inputs, seconds);
  const std::vector<double>& times = variants[0].times;
  Row row{name, *std::min_element(times.begin(), times.end()), {}, remainder_of(subject)};
  for (size_t i = 1; i < variants.size(); ++i)
    row.ratios[variants[i].without] = median_ratio(variants[i], variants[0]);
  return row;
}

// Geometric means; where a pass changes nothing its ratio is 1.
std::string line_of_means(const std::vector<Row>& rows) {
  std::string text = "| **geometric mean** | |";
  for (std::string_view pass : optional_passes()) {
    double sum = 0;
    for (const Row& row : rows) {
      const auto ratio = row.ratios.find(pass);
      if (ratio != row.ratios.end()) sum += std::log(ratio->second);
    }
    text += fmt::format(" **{:.2f}** |", std::exp(sum / static_cast<double>(rows.size())));
  }
  return text + "\n";
}

std::string table_of_passes(const std::vector<Row>& rows) {
  std::string text = "| | ms |", rule = "| --- | --- |";
  for (std::string_view pass : optional_passes()) {
    text += fmt::format(" {} |", pass);
    rule += " --- |";
  }
  text += "\n" + rule + "\n";
  for (const Row& row : rows) {
    text += fmt::format("| {} | {:.2f} |", row.name, row.milliseconds);
    for (std::string_view pass : optional_passes()) {
      const auto ratio = row.ratios.find(pass);
      text += ratio == row.ratios.end() ? " – |" : fmt::format(" {:.2f} |", ratio->second);
    }
    text += "\n";
  }
  return rows.size() > 1 ? text + line_of_means(rows) : text;
}

std::string table_of_remainders(const std::vector<Row>& rows) {
  std::string text =
      "| | steps | copies between kernels | at inputs and outputs | MB moved | arena MB | of the "
      "least |\n| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Row& row : rows) {
    const plan::EntryMemory& memory = row.left.memory;
    text += fmt::format(
        "| {} | {} | {} | {} | {:.2f} | {:.2f} | {:.2f} |\n", row.name, row.left.steps,
        row.left.copies, row.left.edge_copies, 1e-6 * static_cast<double>(row.left.copied_bytes),
        1e-6 * static_cast<double>(memory.arena_bytes),
        memory.lower_bound == 0
            ? 1.0
            : static_cast<double>(memory.arena_bytes) / static_cast<double>(memory.lower_bound));
  }
  return text;
}

std::string page(const std::vector<Row>& rows, int threads) {
  return fmt::format(R"(# What each pass is worth

Written by `build/benchmarks/ablation --write FILE`, {} thread{}. One line a network: milliseconds
of one image with every pass (`NAME:BATCH`: of a training step), then how many times as long it
takes when one pass is left out (`--without PASS`) and the others stay; a dash where that changes no
kernel. Versions take turns, run by run; the time is the least of them, a ratio the median of the
rounds'.

A ratio near 1 may mean that another pass does the same work another way: a batch norm that is not
folded into weights becomes an epilogue. Without `layout` values are stored row by row, for which
convolutions have only the plain schedule; without `fuse` each op is a kernel.

{}
## What is left

Of one call with every pass: its steps; those that only move elements, between two kernels or at the
caller's inputs and outputs, whose layout is the caller's; what they read and write together; the
arena, and its size over the least that any plan for this order of kernels has. `argent inspect
NETWORK` lists each copy with its layer, types and bytes.

{})",
                     threads, threads == 1 ? "" : "s", table_of_passes(rows),
                     table_of_remainders(rows));
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> subjects;
  std::string file;
  int threads = 1;
  double seconds = 5;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool option = argument.starts_with("--");
    if (option && i + 1 < argc && argument == "--threads") {
      threads = static_cast<int>(positive_integer(argument, argv[++i]));
    } else if (option && i + 1 < argc && argument == "--seconds") {
      seconds = positive_number(argument, argv[++i]);
    } else if (option && i + 1 < argc && argument == "--write") {
      file = argv[++i];
    } else if (option) {
      std::cerr << "usage: ablation [--threads N] [--seconds S] [--write FILE] "
                   "[NETWORK[@EXTENT][:BATCH]...]\n";
      return 1;
    } else {
      subjects.push_back(argument);
    }
  }
  if (subjects.empty()) subjects.assign(std::begin(kAllSubjects), std::end(kAllSubjects));
  std::vector<Row> rows;
  for (const std::string& name : subjects) {
    std::cerr << name << "\n";
    rows.push_back(measure(name, threads, seconds));
    if (!file.empty()) write_file(file, page(rows, threads));
  }
  std::cout << table_of_passes(rows) << "\n" << table_of_remainders(rows);
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
