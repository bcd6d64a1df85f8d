#include "tests/ptx/block.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "tests/ptx/warp.h"

namespace ag::ptx {

const char* name_of(Fault fault) {
  switch (fault) {
    case Fault::out_of_bounds: return "out of bounds";
    case Fault::misaligned: return "misaligned";
    case Fault::uninitialised_read: return "uninitialised read";
    case Fault::shared_race: return "race in shared memory";
    case Fault::global_race: return "race in global memory";
    case Fault::divergent_barrier: return "divergent barrier";
    case Fault::divergent_exchange: return "divergent exchange";
    case Fault::endless: return "endless";
    case Fault::trap: return "trap";
  }
  return "";
}

Block::Block(Launch& launch, Dim3 index)
    : launch_(launch),
      index_(index),
      number_(index.x + launch.grid.x * (index.y + launch.grid.y * index.z)),
      shared_(launch.kernel.shared_bytes + launch.dynamic_shared) {
  for (uint32_t i = 0; i * kLanes < threads(); ++i) {
    warps_.push_back(std::make_unique<Warp>(*this, i));
  }
}

Block::~Block() = default;

// Every warp runs until it waits; when all wait the barrier opens for all.
void Block::run() {
  while (run_to_barrier()) {
    check_barrier();
    ++phase_;
    for (const auto& warp : warps_) warp->release();
  }
}

std::vector<size_t> Block::turns() const {
  std::vector<size_t> order(warps_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (launch_.order == Order::backward) std::reverse(order.begin(), order.end());
  if (launch_.order == Order::shuffled) {
    std::shuffle(order.begin(), order.end(), std::mt19937_64(launch_.seed + phase_));
  }
  return order;
}

bool Block::run_to_barrier() {
  bool waits = false;
  for (const size_t i : turns()) {
    warps_[i]->run();
    waits = waits || !warps_[i]->finished();
  }
  return waits;
}

// All warps that live wait at one instruction, and none of them has left the kernel.
void Block::check_barrier() {
  const Warp* first = nullptr;
  for (const auto& warp : warps_) {
    if (!first && !warp->finished()) first = warp.get();
  }
  for (const auto& warp : warps_) {
    if (warp->finished()) {
      return report(Fault::divergent_barrier, *first->waits_at(), warp->first_thread(),
                    "this warp has left the kernel, another waits");
    }
    if (warp->waits_at() != first->waits_at()) {
      return report(Fault::divergent_barrier, *first->waits_at(), warp->first_thread(),
                    fmt::format("this warp waits at line {}", warp->waits_at()->line));
    }
  }
}

void Block::report(Fault fault, const Instruction& at, uint32_t thread, const std::string& what) {
  launch_.reports.add({fault,
                       fmt::format("{}: {}, line {}: '{}', block ({}, {}, {}), thread {}: {}",
                                   name_of(fault), launch_.kernel.name, at.line, at.text, index_.x,
                                   index_.y, index_.z, thread, what),
                       at.line});
}

}  // namespace ag::ptx
