// What `argent bench` finds out about a program, and its forms: JSON, a trace, a report.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/argent_abi.h"

namespace ag {

// What this machine can do, measured in the same run; or its CUDA device, as the driver states it.
struct MachineLimits {
  double peak_gflops = 0;    // multiply-adds on registers
  double copy_gb_per_s = 0;  // copies through memory, read and written; 0: not measured
  std::string instructions;  // of the peak: "AVX-512"; or the device's name
  bool is_device = false;
};

// A step of an entry: a kernel, or a routine of the runtime.
struct MeasuredStep {
  std::string layer, file, kernel;  // the user's "layer1.0.conv2" and "resnet.cpp", "conv+relu"
  int line = 0;
  std::string algorithm, schedule;  // "conv_direct", "tile_k=2,tile_x=14"; empty: a routine
  int64_t flops = 0, bytes = 0;     // of one call; bytes read and written at least
  int64_t live_bytes = 0;           // of the arena, while it runs
  double nanoseconds = 0;           // of the fastest run

  double gflops() const { return static_cast<double>(flops) / nanoseconds; }
  double gb_per_s() const { return static_cast<double>(bytes) / nanoseconds; }
  // Whether moving its bytes takes longer than its arithmetic.
  bool is_memory_bound(const MachineLimits& limits) const;
  // The least time that the limits allow, as a share of the time it took. Over 100: its data was in
  // a cache.
  double percent_of_roofline(const MachineLimits& limits) const;
  // "resnet.cpp:42"; empty when unknown.
  std::string source() const;
};

struct MeasuredEntry {
  std::string name;  // "forward_b1"
  int64_t runs = 0;
  double minimum_ms = 0, median_ms = 0;
  int64_t flops = 0;
  int64_t arena_bytes = 0;
  MachineLimits limits;                    // as known when it was measured
  std::vector<MeasuredStep> steps;         // in order; empty when only the whole was measured
  std::vector<argent_trace_event> events;  // of one run, in the order of time; empty: not traced

  double gflops() const { return static_cast<double>(flops) * 1e-6 / minimum_ms; }
};

struct Measurement {
  std::string name, target;
  int threads = 1;
  int64_t weight_bytes = 0;
  std::vector<MeasuredEntry> entries;
};

// Figures for programs; events are left out.
nlohmann::json json_of(const Measurement& measurement);

// A trace for Perfetto (ui.perfetto.dev) and chrome://tracing: a process for each entry, a track
// for each thread, with steps and, within them, tasks of their parallel loops; and the arena's use.
std::string chrome_trace(const Measurement& measurement);

// One HTML file that needs nothing else: timeline, roofline, memory over time, kernels.
std::string html_report(const Measurement& measurement);

}  // namespace ag
