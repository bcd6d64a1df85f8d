#include "runtime/cpu.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ag::rt {

namespace {

struct Level {
  const char* name;
  uint32_t features;
};

constexpr uint32_t kV2 = kCpuX86V2, kV3 = kV2 | kCpuX86V3, kV4 = kV3 | kCpuX86V4;
constexpr Level kLevels[] = {{"x86-64-v2", kV2},
                             {"x86-64-v3", kV3},
                             {"x86-64-v4", kV4},
                             {"x86-64-v4+vnni+bf16", kV4 | kCpuX86VnniBf16},
                             {"aarch64", 0}};

// The row of the level that ARGENT_CPU names; null when there is none.
const Level* limit_level(const char* name) {
  for (const Level& level : kLevels) {
    if (strcmp(level.name, name) == 0) return &level;
  }
  return nullptr;
}

#if defined(__x86_64__)
struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

// Register state the operating system saves: bit 1 SSE, 2 AVX, 5–7 AVX-512.
uint32_t saved_state() {
  if (!(cpuid(1).ecx & bit_OSXSAVE)) return 0;
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has(uint32_t value, uint32_t bits) { return (value & bits) == bits; }

uint32_t machine_features() {
  const Registers basic = cpuid(1), extended = cpuid(7), amd = cpuid(0x80000001u);
  const Registers extended1 = extended.eax >= 1 ? cpuid(7, 1) : Registers{};
  const uint32_t state = saved_state();
  if (!has(basic.ecx, bit_SSE4_2 | bit_SSE4_1 | bit_SSSE3 | bit_POPCNT)) return 0;
  uint32_t features = kCpuX86V2;
  if (!has(basic.ecx, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE) || !has(state, 0x6) ||
      !has(extended.ebx, bit_AVX2 | bit_BMI | bit_BMI2) || !has(amd.ecx, bit_LZCNT)) {
    return features;
  }
  features |= kCpuX86V3;
  if (!has(extended.ebx, bit_AVX512F | bit_AVX512CD | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) ||
      !has(state, 0xe6)) {
    return features;
  }
  features |= kCpuX86V4;
  const uint32_t vnni =
      bit_AVX512VNNI | bit_AVX512VBMI | bit_AVX512VBMI2 | bit_AVX512BITALG | bit_AVX512VPOPCNTDQ;
  if (has(extended.ecx, vnni) && has(extended.ebx, bit_AVX512IFMA) &&
      has(extended1.eax, bit_AVX512BF16)) {
    features |= kCpuX86VnniBf16;
  }
  return features;
}
#else
uint32_t machine_features() { return 0; }
#endif

uint32_t allowed_features() {
  bool known = false;
  const char* limit = cpu_limit(&known);
  if (!limit) return machine_features();
  return known ? machine_features() & limit_level(limit)->features : 0;
}

}  // namespace

const char* cpu_limit(bool* known) {
  const char* name = getenv("ARGENT_CPU");
  if (!name || !*name) return nullptr;
  *known = limit_level(name) != nullptr;
  return name;
}

uint32_t cpu_features() {
  constexpr uint32_t kUnread = ~0u;
  static std::atomic<uint32_t> features{kUnread};
  uint32_t found = features.load(std::memory_order_relaxed);
  if (found == kUnread) {
    found = allowed_features();
    features.store(found, std::memory_order_relaxed);
  }
  return found;
}

}  // namespace ag::rt
