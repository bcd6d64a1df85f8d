// What every CUDA schedule keeps to.
#pragma once

#include <cstdint>

namespace ag {

// Threads that run in step, and exchange values by shuffles.
inline constexpr int kWarp = 32;
// Threads of a block at least, unless the whole work is small; and at most.
inline constexpr int kLeastThreads = 64, kMostThreads = 1024;
// Elements of work from which a kernel is spread over threads.
inline constexpr int64_t kSmallWork = 4096;
// Threads that fill a device: A100 has 108 multiprocessors, which want a few hundred each.
inline constexpr int64_t kFullDevice = 108 * 256;

}  // namespace ag
