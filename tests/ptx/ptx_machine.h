// A GPU for tests: runs PTX on the CPU, slowly, and reports what a real one would let pass.
//
//   Machine machine;
//   const Module& module = machine.load(ptx);
//   const Address x = machine.allocate(4 * n), y = machine.allocate(4 * n);
//   machine.write(x, values.data(), 4 * n);
//   const Outcome outcome = machine.launch(module, "scale", {blocks}, {128}, 0, Arguments{x, y,
//   n}); CHECK(outcome.text() == "");                    // no report machine.read(y,
//   values.data(), 4 * n);
//
// How a GPU executes is told where it happens: block.h (grids and barriers), warp.h (lock step,
// divergence), reconverge.h (where lanes meet again), races.h (what orders memory). The
// instructions are tables: arithmetic.cpp, approximation.cpp, bits.cpp, compare.cpp, convert.cpp,
// warp_exchange.cpp. A kernel that has another throws PtxError when it is loaded.
#pragma once

#include <cstring>
#include <list>
#include <string_view>

#include "tests/ptx/block.h"

namespace ag::ptx {

// A kernel's arguments in order, each of its own size: as cuLaunchKernel takes them.
class Arguments {
 public:
  template <class... T>
  explicit Arguments(const T&... values) {
    (add(&values, sizeof values), ...);
  }
  void add(const void* value, size_t bytes) {
    const auto* data = static_cast<const uint8_t*>(value);
    values_.emplace_back(data, data + bytes);
  }
  // The kernel's parameter bytes; throws PtxError when count or sizes differ from its declaration.
  std::vector<uint8_t> packed_for(const Kernel& kernel) const;

 private:
  std::vector<std::vector<uint8_t>> values_;
};

struct Outcome {
  Reports reports;
  uint64_t instructions = 0;  // executed by warps

  bool has(Fault fault) const;
  std::string text() const;  // the reports, a line each; empty: nothing was wrong
};

class Machine {
 public:
  Order order = Order::forward;
  uint64_t seed = 0;                // of Order::shuffled
  uint64_t budget = 2'000'000'000;  // instructions of warps per launch

  // The module lives as long as the machine.
  const Module& load(std::string_view ptx);

  Address allocate(size_t bytes) { return global_.allocate(bytes); }
  bool free(Address address) { return global_.free(address); }
  bool holds(Address address) {
    uint64_t offset = 0;
    return global_.find(address, 1, &offset) != nullptr;
  }
  size_t allocations() const { return global_.allocations() - module_allocations_; }
  // Throw PtxError when that memory is no one's.
  void write(Address address, const void* source, size_t bytes);
  void read(Address address, void* destination, size_t bytes);

  // Blocks run one after the other, so a kernel whose blocks wait for each other is `endless`.
  Outcome launch(const Module& module, std::string_view kernel, Dim3 grid, Dim3 block,
                 uint32_t dynamic_shared, const Arguments& arguments);

 private:
  GlobalMemory global_;
  std::list<Module> modules_;
  size_t module_allocations_ = 0;
  uint32_t launches_ = 0;
};

}  // namespace ag::ptx
