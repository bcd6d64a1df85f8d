// Which instruction-set levels this machine has.
#pragma once

#include <cstdint>

namespace ag::rt {

// Bits of a set of features; each x86-64 level contains the ones before it.
inline constexpr uint32_t kCpuX86V2 = 1;        // SSE4.2, SSSE3, POPCNT
inline constexpr uint32_t kCpuX86V3 = 2;        // AVX2, FMA, F16C, BMI2, LZCNT, MOVBE
inline constexpr uint32_t kCpuX86V4 = 4;        // AVX-512 F, CD, BW, DQ, VL
inline constexpr uint32_t kCpuX86VnniBf16 = 8;  // AVX-512 VNNI, BF16, VBMI, VBMI2, IFMA, BITALG,
                                                // VPOPCNTDQ: what Zen 4 and Sapphire Rapids share
// What programs may use: the features of this machine that the operating system saves the registers
// of, less those above the level that the environment variable ARGENT_CPU names ("x86-64-v3"). 0 on
// aarch64, where NEON is always there. Read once in a process.
uint32_t cpu_features();

// The level that ARGENT_CPU names, null when it names none; sets *known to whether there is such a
// level.
const char* cpu_limit(bool* known);

}  // namespace ag::rt
