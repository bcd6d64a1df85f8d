#include "tools/fma_peak.h"

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

namespace ag {
namespace {

// Runs `iterations` of the chains; returns a number that depends on all of them. Values stay at
// the fixed point 2 of x / 2 + 1: no denormals, no infinities.
using Chains = float (*)(int64_t iterations);

struct Level {
  std::string_view name;
  int lanes;
  Chains chains;
};

#if defined(__x86_64__)

// A loop's chains: two units times four cycles of latency want 8, more cost nothing.
constexpr int kChains = 12;

[[gnu::target("avx512f")]] float avx512_chains(int64_t iterations) {
  const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1);
  __m512 sums[kChains];
  for (__m512& sum : sums) sum = one;
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = _mm512_fmadd_ps(sums[c], half, one);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm512_add_ps(sums[0], sums[c]);
  return _mm512_cvtss_f32(sums[0]);
}

[[gnu::target("avx2,fma")]] float avx2_chains(int64_t iterations) {
  const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1);
  __m256 sums[kChains];
  for (__m256& sum : sums) sum = one;
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = _mm256_fmadd_ps(sums[c], half, one);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm256_add_ps(sums[0], sums[c]);
  return _mm256_cvtss_f32(sums[0]);
}

float sse_chains(int64_t iterations) {
  const __m128 half = _mm_set1_ps(0.5f), one = _mm_set1_ps(1);
  __m128 sums[kChains];
  for (__m128& sum : sums) sum = one;
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = _mm_add_ps(_mm_mul_ps(sums[c], half), one);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm_add_ps(sums[0], sums[c]);
  return _mm_cvtss_f32(sums[0]);
}

const Level& level() {
  static const Level found = __builtin_cpu_supports("avx512f") ? Level{"AVX-512", 16, avx512_chains}
                             : __builtin_cpu_supports("fma")   ? Level{"AVX2", 8, avx2_chains}
                                                               : Level{"SSE", 4, sse_chains};
  return found;
}

#else

// Four units times four cycles of latency.
constexpr int kChains = 24;

float neon_chains(int64_t iterations) {
  const float32x4_t half = vdupq_n_f32(0.5f), one = vdupq_n_f32(1);
  float32x4_t sums[kChains];
  for (float32x4_t& sum : sums) sum = one;
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) sums[c] = vfmaq_f32(one, sums[c], half);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = vaddq_f32(sums[0], sums[c]);
  return vgetq_lane_f32(sums[0], 0);
}

const Level& level() {
  static const Level found{"NEON", 4, neon_chains};
  return found;
}

#endif

double seconds_of(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Flops of one iteration of the chains, all multiply-adds.
double flops_of_iteration() { return 2.0 * kChains * level().lanes; }

// FLOP/s of this thread over one burst.
double thread_burst(int64_t iterations, clockid_t clock) {
  const double start = seconds_of(clock);
  volatile float kept = level().chains(iterations);
  const double time = seconds_of(clock) - start;
  static_cast<void>(kept);
  return static_cast<double>(iterations) * flops_of_iteration() / time;
}

}  // namespace

FmaPeak::FmaPeak(int threads) : threads_(threads) {}

void FmaPeak::burst(double seconds) {
  constexpr double kLeast = 1e-4, kGuess = 1e11;  // FLOP/s of a thread, before the first burst
  const double rate = best_ > 0 ? best_ * 1e9 / threads_ : kGuess;
  const auto iterations =
      static_cast<int64_t>(std::max(seconds, kLeast) * rate / flops_of_iteration());
  const clockid_t clock = threads_ == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  std::vector<double> rates(static_cast<size_t>(threads_));
  std::vector<std::thread> others;
  for (size_t i = 1; i < rates.size(); ++i)
    others.emplace_back([&, i] { rates[i] = thread_burst(iterations, clock); });
  rates[0] = thread_burst(iterations, clock);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (double rate : rates) sum += rate;
  best_ = std::max(best_, sum * 1e-9);
}

std::string_view FmaPeak::instructions() { return level().name; }

}  // namespace ag
