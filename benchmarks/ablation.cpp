// What each optimisation is worth: networks compiled with everything, and again without one pass at
// a time, run in turns in this process.
//
//   ablation [--threads N] [--seconds S] [--write FILE] [SUBJECT...]
//
// SUBJECT is NETWORK[@EXTENT] for inference of one image, NETWORK[@EXTENT]:BATCH for a training
// step; without any, those of benchmarks/peers. Prints a table in Markdown: the milliseconds of
// each subject with everything (the minimum of the rounds), then for each pass how many times as
// long the subject takes without it, as the median of the rounds' ratios; a dash where the pass
// changes no kernel. --write makes a page of it.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <map>
#include <set>

#include "benchmarks/subject.h"
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

// The columns of one subject: {pass: ratio}; a pass that changes nothing has none.
struct Row {
  std::string name;
  double milliseconds = 0;
  std::map<std::string, double, std::less<>> ratios;
};

Row row_of(const std::string& name, const std::vector<Variant>& variants) {
  const std::vector<double>& times = variants[0].times;
  Row row{name, *std::min_element(times.begin(), times.end()), {}};
  for (size_t i = 1; i < variants.size(); ++i)
    row.ratios[variants[i].without] = median_ratio(variants[i], variants[0]);
  return row;
}

std::string head() {
  std::string names = "| | ms |", rule = "| --- | --- |";
  for (std::string_view pass : optional_passes()) {
    names += fmt::format(" {} |", pass);
    rule += " --- |";
  }
  return names + "\n" + rule + "\n";
}

std::string line(const Row& row) {
  std::string text = fmt::format("| {} | {:.2f} |", row.name, row.milliseconds);
  for (std::string_view pass : optional_passes()) {
    const auto ratio = row.ratios.find(pass);
    text += ratio == row.ratios.end() ? " – |" : fmt::format(" {:.2f} |", ratio->second);
  }
  return text + "\n";
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

std::string page(const std::string& table, int threads) {
  return fmt::format(
      "# What each pass is worth\n\n"
      "Written by `build/benchmarks/ablation --write FILE`, {} thread{}. One line a\n"
      "network: milliseconds of one image with every pass (`NAME:BATCH`: of a training step), "
      "then\n"
      "how many times as long it takes when one pass is left out (`--without PASS`) and the "
      "others\n"
      "stay; a dash where that changes no kernel. Versions take turns, run by run; the time is "
      "the\n"
      "least of them, a ratio the median of the rounds'.\n\n"
      "A ratio near 1 may mean that another pass does the same work another way: a batch norm that "
      "is\n"
      "not folded into weights becomes an epilogue. Without `layout` values are stored row by row, "
      "for\n"
      "which convolutions have only the plain schedule; without `fuse` each op is a kernel.\n\n{}",
      threads, threads == 1 ? "" : "s", table);
}

std::string measure(const std::vector<std::string>& subjects, int threads, double seconds) {
  std::string table;
  auto add = [&](const std::string& text) {
    std::cout << text << std::flush;
    table += text;
  };
  add(head());
  std::vector<Row> rows;
  for (const std::string& name : subjects) {
    std::vector<Array> inputs;
    std::vector<Variant> variants = compile_variants(parse_subject(name), threads, inputs);
    run_rounds(variants, inputs, seconds);
    rows.push_back(row_of(name, variants));
    add(line(rows.back()));
  }
  if (rows.size() > 1) add(line_of_means(rows));
  return table;
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
      threads = std::stoi(argv[++i]);
    } else if (option && i + 1 < argc && argument == "--seconds") {
      seconds = std::stod(argv[++i]);
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
  const std::string table = measure(subjects, threads, seconds);
  if (!file.empty()) write_file(file, page(table, threads));
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
