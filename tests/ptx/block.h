// A thread block on a multiprocessor, and the launch it belongs to.
//
// A launch is a grid of blocks that know nothing of each other. A block is up to 1024 threads with
// shared memory and barriers in common; the hardware takes them 32 at a time, as warps.
#pragma once

#include <memory>

#include "tests/ptx/memory.h"
#include "tests/ptx/program.h"
#include "tests/ptx/report.h"

namespace ag::ptx {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t{x} * y * z; }
};

// In which order warps get their turns. Right kernels do not care.
enum class Order : uint8_t { forward, backward, shuffled };

struct Launch {
  const Kernel& kernel;
  Dim3 grid, block;
  uint32_t dynamic_shared = 0;
  const std::vector<uint8_t>& parameters;
  GlobalMemory& global;
  Reports& reports;
  uint32_t number = 1;    // counts the machine's launches from 1
  uint64_t budget = 0;    // instructions of warps that may still run
  uint64_t executed = 0;  // instructions of warps
  Order order = Order::forward;
  uint64_t seed = 0;
};

class Warp;

class Block {
 public:
  Block(Launch& launch, Dim3 index);
  ~Block();
  void run();

  Launch& launch() { return launch_; }
  const Dim3& index() const { return index_; }
  uint32_t number() const { return number_; }  // of all blocks of the grid
  uint32_t phase() const { return phase_; }
  uint32_t threads() const { return static_cast<uint32_t>(launch_.block.count()); }
  Region& shared() { return shared_; }
  void report(Fault fault, const Instruction& at, uint32_t thread, const std::string& what);

 private:
  bool run_to_barrier();  // whether any warp still lives
  void check_barrier();
  std::vector<size_t> turns() const;

  Launch& launch_;
  Dim3 index_;
  uint32_t number_;
  uint32_t phase_ = 1;
  Region shared_;
  std::vector<std::unique_ptr<Warp>> warps_;
};

}  // namespace ag::ptx
