#include "codegen/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ir/diagnostics.h"
#include "runtime/cpu.h"
#include "runtime/cuda.h"

namespace ag {
namespace {

constexpr uint32_t kV2 = rt::kCpuX86V2, kV3 = kV2 | rt::kCpuX86V3, kV4 = kV3 | rt::kCpuX86V4,
                   kVnniBf16 = kV4 | rt::kCpuX86VnniBf16;
constexpr std::string_view kX86 = "x86_64-unknown-linux-gnu", kArm = "aarch64-unknown-linux-gnu";

// Halide picks a CPU for LLVM from the feature names: penryn, haswell, skylake-avx512 and
// cannonlake; what it then emits stays within the level (a test disassembles). Its names for CPUs
// with dot products, avx512_zen4 and avx512_sapphirerapids, bring their vendor's own instructions
// too: SSE4a in shuffles of bytes, FP16 in conversions of halves.
constexpr std::array kTargets = {
    Target{"x86-64-v2", Architecture::x86_64, "SSE4: any x86-64 since 2009", 16, 16, false, false,
           kV2, "x86-64-linux-sse41", kX86, "x86-64-v2", ""},
    Target{"x86-64-v3", Architecture::x86_64, "AVX2 and FMA: Haswell, Zen and later", 32, 16, false,
           false, kV3, "x86-64-linux-sse41-avx-avx2-fma-f16c", kX86, "x86-64-v3", ""},
    Target{"x86-64-v4", Architecture::x86_64, "AVX-512: Skylake-X, Zen 4 and later", 64, 32, false,
           false, kV4, "x86-64-linux-sse41-avx-avx2-fma-f16c-avx512-avx512_skylake", kX86,
           "x86-64-v4", ""},
    Target{"x86-64-v4+vnni+bf16", Architecture::x86_64,
           "AVX-512 with int8 and bf16 dot products: Zen 4, Sapphire Rapids and later", 64, 32,
           true, true, kVnniBf16,
           "x86-64-linux-sse41-avx-avx2-fma-f16c-avx512-avx512_skylake-avx512_cannonlake", kX86,
           "x86-64-v4",
           "+avx512vnni,+avx512bf16,+avx512vbmi,+avx512vbmi2,+avx512ifma,+avx512bitalg,"
           "+avx512vpopcntdq"},
    Target{"aarch64", Architecture::aarch64, "NEON: any 64-bit ARM", 16, 32, false, false, 0,
           "arm-64-linux", kArm, "generic", "+neon"},
    // Halide 21 writes PTX for sm_86 at most, which every later device takes.
    Target{"cuda-sm_80", Architecture::x86_64, "NVIDIA A100 and later; launched from any x86-64",
           16, 255, false, false, kV2, "x86-64-linux-sse41-cuda-cuda_capability_80", kX86,
           "x86-64-v2", "", TargetFamily::cuda, 80},
    Target{"cuda-sm_90", Architecture::x86_64, "NVIDIA H100 and later; launched from any x86-64",
           16, 255, false, false, kV2, "x86-64-linux-sse41-cuda-cuda_capability_86", kX86,
           "x86-64-v2", "", TargetFamily::cuda, 90},
};

#if defined(__x86_64__)
constexpr Architecture kHostArchitecture = Architecture::x86_64;
#else
constexpr Architecture kHostArchitecture = Architecture::aarch64;
#endif

std::string names_of_targets() {
  std::string names;
  for (const Target& target : kTargets) names += std::string(target.name) + ", ";
  return names + "host, cuda";
}

// Throws CompileError with the runtime's words when there is no device, or no driver for one.
int capability_here(std::string_view target) {
  char message[ARGENT_MESSAGE_BYTES] = {};
  int index = 0, capability = 0;
  int code = rt::cuda_chosen_device(&index, message);
  if (code == ARGENT_OK) code = rt::cuda_capability(index, &capability, message);
  if (code == ARGENT_OK) return capability;
  throw CompileError(fmt::format("target {}: {}", target, message))
      .help(
          "compile a library for a device elsewhere with `--target cuda-sm_80 -o NAME.so`, or "
          "run for " +
          std::string(host_target().name));
}

// The highest level that the device here has.
const Target& cuda_target() {
  const int capability = capability_here("cuda");
  const Target* best = nullptr;
  for (const Target& target : kTargets) {
    if (target.is_cuda() && target.compute_capability <= capability) best = &target;
  }
  if (best) return *best;
  throw CompileError(
      fmt::format("target cuda: the device is sm_{}, below every known level", capability))
      .help("the targets are " + names_of_targets());
}

}  // namespace

std::string halide_target(const Target& target) {
  return std::string(target.halide) + "-no_runtime-no_asserts-no_bounds_query-user_context";
}

std::span<const Target> known_targets() { return kTargets; }

bool is_runnable(const Target& target) {
  static const uint32_t machine = rt::cpu_features();
  return target.family == TargetFamily::cpu && target.architecture == kHostArchitecture &&
         (target.cpu_features & machine) == target.cpu_features;
}

const Target& host_target() {
  const Target* best = nullptr;
  for (const Target& target : kTargets) {
    if (is_runnable(target)) best = &target;
  }
  bool known = true;
  const char* limit = rt::cpu_limit(&known);
  if (!known) {
    throw CompileError(
        fmt::format("the environment variable ARGENT_CPU is '{}', which names no level", limit))
        .help("the levels are " + names_of_targets());
  }
  if (!best) {
    throw CompileError("this machine's processor is below x86-64-v2, the plainest known target");
  }
  return *best;
}

const Target& find_target(std::string_view name) {
  if (name == "host") return host_target();
  if (name == "cuda") return cuda_target();
  for (const Target& target : kTargets) {
    if (target.name == name) return target;
  }
  throw CompileError(fmt::format("unknown target '{}'", name))
      .help("the targets are " + names_of_targets());
}

std::vector<const Target*> find_targets(std::string_view names) {
  std::vector<const Target*> targets;
  for (size_t from = 0; from <= names.size();) {
    const size_t end = std::min(names.find(',', from), names.size());
    targets.push_back(&find_target(names.substr(from, end - from)));
    from = end + 1;
  }
  std::sort(targets.begin(), targets.end());  // the table's order: plainest first
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  for (const Target* target : targets) {
    if (target->architecture == targets[0]->architecture && target->family == targets[0]->family)
      continue;
    throw CompileError(
        fmt::format("one file cannot hold code for {} and for {}", targets[0]->name, target->name))
        .help("compile a library for each");
  }
  return targets;
}

void require_runnable(const Target& target) {
  if (target.is_cuda()) {
    const int capability = capability_here(target.name);
    if (target.compute_capability <= capability) return;
    throw CompileError(
        fmt::format("code for {} cannot run here: the device is sm_{}", target.name, capability))
        .help("--target cuda takes the level of the device");
  }
  if (is_runnable(target)) return;
  throw CompileError(fmt::format("code for {} cannot run here: this machine is {}", target.name,
                                 host_target().name))
      .help(fmt::format("compile for {} or for host, or move the library to a machine that has {}",
                        host_target().name, target.name));
}

}  // namespace ag
