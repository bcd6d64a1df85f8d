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
// Features of this machine that the operating system lets programs use. 0 on aarch64, where NEON is
// always there.
uint32_t cpu_features();

}  // namespace ag::rt
