// 32 threads that share one program counter.
//
// A warp executes each instruction for all its active lanes at once. When lanes disagree about a
// branch the warp keeps a stack of paths. Each path is a place in the program, the lanes that are
// there, and the place where they meet the others again; the topmost path runs:
//
//                                     stack (topmost last)
//   before the branch                 [pc 4,  lanes 11111111, to end]
//   half of the lanes take it         [pc 9,  lanes 11111111, to end]   waits for both at 9
//                                     [pc 5,  lanes 00001111, to 9]
//                                     [pc 7,  lanes 11110000, to 9]     runs
//   the topmost comes to 9: it is popped, then the next; at 9 the warp is whole again.
//
// Registers belong to lanes. Each has a mark whether it holds a value: what is computed from one
// that does not holds none either, and to branch on it, to use it as an address or to store it is
// reported.
#pragma once

#include <array>
#include <deque>

#include "tests/ptx/block.h"

namespace ag::ptx {

inline constexpr int kLanes = 32;
using Lanes = uint32_t;  // a bit per lane

template <class F>
void for_each_lane(Lanes lanes, F&& f) {
  for (int lane = 0; lane < kLanes; ++lane) {
    if (lanes >> lane & 1) f(lane);
  }
}

class Warp {
 public:
  Warp(Block& block, uint32_t number);

  void run();  // until its next barrier or its end
  bool finished() const { return paths_.empty(); }
  const Instruction* waits_at() const { return barrier_; }  // null: at no barrier
  void release() { barrier_ = nullptr; }
  uint32_t first_thread() const { return number_ * kLanes; }

 private:
  struct Path {
    uint32_t pc;
    uint32_t end;  // where it meets the path below
    Lanes lanes;
  };

  void step();
  void execute(const Instruction& at, Lanes lanes);
  void arithmetic(const Instruction& at, Lanes lanes);
  void branch(const Instruction& at, Lanes lanes);
  void leave(Lanes lanes);
  void barrier(const Instruction& at, Lanes lanes);
  Lanes living() const { return paths_.empty() ? 0 : paths_.front().lanes; }

  // warp_memory.cpp
  struct Place {
    Region* region;  // null: out of bounds, and reported
    uint64_t offset;
  };
  Place locate(const Instruction& at, int lane, size_t bytes) {
    return locate(at, lane, bytes, at.address, at.offset, at.space);
  }
  Place locate(const Instruction& at, int lane, size_t bytes, const Operand& base, int64_t offset,
               Space space);
  Region* region_of(Space space, int lane, Address address, size_t bytes, uint64_t* offset);
  void load(const Instruction& at, Lanes lanes);
  void load_parameter(const Instruction& at, Lanes lanes);
  void store(const Instruction& at, Lanes lanes);
  void atomic(const Instruction& at, Lanes lanes);
  Bits read_memory(const Instruction& at, int lane, const Place& place, size_t bytes);
  // A write that changes something, for the history of its bytes.
  void put_down_write(const Instruction& at, int lane, const Place& place, size_t bytes,
                      bool changes = true);
  void write_memory(const Instruction& at, int lane, const Place& place, size_t bytes, Bits value);
  void check_written(const Instruction& at, int lane, const Place& place, size_t bytes);
  void check_race(const Instruction& at, int lane, const Access* other, const Place& place);
  Access access(const Instruction& at, int lane) const;

  // warp_copy.cpp
  struct Copy {
    Place to;
    size_t bytes;
    std::array<uint8_t, 16> data;
  };
  // A lane's copies under way: the group that is not committed yet, and those that are, oldest
  // first.
  struct Copies {
    std::vector<Copy> open;
    std::deque<std::vector<Copy>> groups;
  };
  void copy(const Instruction& at, Lanes lanes);
  void start_copy(const Instruction& at, int lane);
  void finish_copies(const Instruction& at, int lane, const std::vector<Copy>& copies);

  // warp_exchange.cpp
  void shuffle(const Instruction& at, Lanes lanes);
  void vote(const Instruction& at, Lanes lanes);
  void reduce(const Instruction& at, Lanes lanes);
  void check_members(const Instruction& at, Lanes lanes, size_t mask_operand);

  Bits read(const Operand& operand, int lane) const;
  Bits special(Special which, int lane) const;
  Lanes defined(const Operand& operand) const;
  void write(int destination, int lane, Bits value) {
    if (destination != kSink) registers_[static_cast<size_t>(destination)][lane] = value;
  }
  void mark(int destination, Lanes lanes, Lanes holds_value);
  void need(const Instruction& at, const Operand& operand, Lanes lanes, const char* as_what);
  void report(Fault fault, const Instruction& at, int lane, const std::string& what);
  Dim3 thread_index(int lane) const;

  Block& block_;
  uint32_t number_;
  std::vector<std::array<Bits, kLanes>> registers_;
  std::vector<Lanes> defined_;
  std::array<bool, kLanes> carry_{};
  std::vector<std::unique_ptr<Region>> local_;  // of each lane
  std::array<Copies, kLanes> copies_;
  std::vector<Path> paths_;
  const Instruction* barrier_ = nullptr;
  uint32_t phase_ = 1;  // counts bar.warp.sync
};

}  // namespace ag::ptx
