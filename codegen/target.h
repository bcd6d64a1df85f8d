// The machines Argent compiles for: spelled-out instruction-set levels, and CUDA devices.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ag {

enum class Architecture : uint8_t { x86_64, aarch64 };

// What kernels run on: whose schedules, layouts and memory a program has.
enum class TargetFamily : uint8_t { cpu, cuda };

struct Target {
  std::string_view name;  // "x86-64-v3"
  Architecture architecture;
  std::string_view summary;
  int vector_bytes;  // of one register
  int vector_registers;
  bool dot_int8;          // u8 × s8 groups of four into s32
  bool dot_bf16;          // bf16 pairs into f32
  uint32_t cpu_features;  // runtime/cpu.h: what a machine must have
  // What Halide is told, without the flags all kernels share (kHalideFlags).
  std::string_view halide;
  // What LLVM 19 is told for the driver module; of a CUDA target, the part that launches kernels.
  std::string_view triple, cpu, features;
  TargetFamily family = TargetFamily::cpu;
  int compute_capability = 0;  // of a CUDA device, at least: 80 is sm_80

  bool is_cuda() const { return family == TargetFamily::cuda; }
  // Whether buffers keep zeros around what padded convolutions read; else kernels test positions.
  bool has_halos() const { return family == TargetFamily::cpu; }

  int lanes(int element_bytes) const { return vector_bytes / element_bytes; }
};

// Halide target string of kernels for `target`.
std::string halide_target(const Target& target);

// All known targets, plainest first.
std::span<const Target> known_targets();

// The best level of this machine.
const Target& host_target();

// A target by name, host_target() for "host", or for "cuda" the highest level of the device here
// (the first one, or that of the environment variable ARGENT_CUDA_DEVICE). Throws CompileError for
// other names, listing them, and where there is no device.
const Target& find_target(std::string_view name);

// The targets of "x86-64-v3,x86-64-v4", each once, plainest first. Throws CompileError for unknown
// names, and for targets of several architectures or families.
std::vector<const Target*> find_targets(std::string_view names);

// Whether this machine's processor runs code for `target`.
bool is_runnable(const Target& target);
// Throws CompileError naming both machines when it, or the device, does not.
void require_runnable(const Target& target);

}  // namespace ag
