// A CUDA driver of the tests: libfake_cuda.so, opened by the runtime in the place of libcuda.so.1.
// It keeps a list of the calls, fails one on demand, knows what was not given back, and runs
// kernels in a Machine. As driver/libcuda.so.1 it takes the driver's place in programs that find it
// through LD_LIBRARY_PATH; two environment variables then stand for the tests' own calls:
//   FAKE_CUDA="capability=75 devices=1"   the properties below, by their names
//   FAKE_CUDA_LOG=FILE                    at the program's end: calls, reports, and what is alive
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ag::ptx {

struct FakeCuda {
  // What the machine has.
  int driver_version = 12040;
  int devices = 2;
  int capability = 80;
  int threads_per_block = 1024;
  int shared_bytes_per_block = 48 * 1024;
  uint64_t memory_bytes = uint64_t{1} << 30;
  int newest_ptx = 84;   // 8.4
  bool captures = true;  // false: streams cannot be captured
  // The call that fails, counted from 1, and with which error; 0: none.
  uint64_t fail_call = 0;
  int fail_error = 2;

  // What happened.
  std::vector<std::string> calls;  // "cuMemAlloc_v2 4096"
  std::string reports;             // of the kernels

  uint64_t count(const std::string& prefix) const {
    uint64_t count = 0;
    for (const std::string& call : calls) count += call.starts_with(prefix);
    return count;
  }
};

// Exported by the library: its one state; forgets what happened, gives the machine its properties
// back; what is still alive: "1 context, 2 allocations", empty for nothing.
using FakeCudaState = FakeCuda& (*)();
using FakeCudaReset = void (*)();
using FakeCudaAlive = std::string (*)();

}  // namespace ag::ptx
