#include "tools/measurement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ag {
namespace {

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

double arithmetic_ns(const MeasuredStep& step, const MachineLimits& limits) {
  return static_cast<double>(step.flops) / limits.peak_gflops;
}

double memory_ns(const MeasuredStep& step, const MachineLimits& limits) {
  return limits.copy_gb_per_s > 0 ? static_cast<double>(step.bytes) / limits.copy_gb_per_s : 0;
}

nlohmann::json json_of(const MeasuredStep& step, const MeasuredEntry& entry) {
  const MachineLimits& limits = entry.limits;
  return {{"layer", step.layer},
          {"kernel", step.kernel},
          {"file", step.file},
          {"line", step.line},
          {"algorithm", step.algorithm},
          {"schedule", step.schedule},
          {"ms", step.nanoseconds * 1e-6},
          {"flops", step.flops},
          {"bytes", step.bytes},
          {"gflops", rounded(step.gflops())},
          {"gb_per_s", rounded(step.gb_per_s())},
          {"percent_of_peak", rounded(100 * step.gflops() / limits.peak_gflops)},
          {"bound", step.is_memory_bound(limits) ? "memory" : "compute"},
          {"percent_of_roofline", rounded(step.percent_of_roofline(limits))},
          {"live_bytes", step.live_bytes}};
}

nlohmann::json json_of(const MeasuredEntry& entry) {
  nlohmann::json row = {
      {"entry", entry.name},
      {"runs", entry.runs},
      {"min_ms", entry.minimum_ms},
      {"median_ms", entry.median_ms},
      {"gflop", static_cast<double>(entry.flops) * 1e-9},
      {"gflops", rounded(entry.gflops())},
      {"peak_gflops", rounded(entry.limits.peak_gflops)},
      {"percent_of_peak", rounded(100 * entry.gflops() / entry.limits.peak_gflops)},
      {"arena_bytes", entry.arena_bytes}};
  if (entry.steps.empty()) return row;
  row["copy_gb_per_s"] = rounded(entry.limits.copy_gb_per_s);
  row["kernels"] = nlohmann::json::array();
  for (const MeasuredStep& step : entry.steps) row["kernels"].push_back(json_of(step, entry));
  return row;
}

}  // namespace

bool MeasuredStep::is_memory_bound(const MachineLimits& limits) const {
  return memory_ns(*this, limits) > arithmetic_ns(*this, limits);
}

double MeasuredStep::percent_of_roofline(const MachineLimits& limits) const {
  const double least = std::max(arithmetic_ns(*this, limits), memory_ns(*this, limits));
  return 100 * least / nanoseconds;
}

std::string MeasuredStep::source() const {
  return file.empty() ? "" : fmt::format("{}:{}", file, line);
}

nlohmann::json json_of(const Measurement& measurement) {
  nlohmann::json entries = nlohmann::json::array();
  double peak = 0;
  std::string instructions;
  for (const MeasuredEntry& entry : measurement.entries) {
    entries.push_back(json_of(entry));
    peak = std::max(peak, entry.limits.peak_gflops);
    instructions = entry.limits.instructions;
  }
  return {{"name", measurement.name},
          {"target", measurement.target},
          {"threads", measurement.threads},
          {"weight_bytes", measurement.weight_bytes},
          {"peak_gflops", rounded(peak)},
          {"peak_instructions", instructions},
          {"entries", entries}};
}

}  // namespace ag
