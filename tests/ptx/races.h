// Who touched a byte, and whether something orders two of them.
//
// Threads are ordered by barriers alone: two accesses of one block are in order when a barrier of
// the block lies between them, two of one warp when bar.warp.sync does. Lock step orders nothing:
// since Volta a warp's lanes may drift apart. Blocks of one launch are never in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ag::ptx {

struct Access {
  uint32_t launch = 0;  // 0: nobody
  uint32_t block = 0;
  uint32_t thread = 0;       // in its block
  uint32_t block_phase = 0;  // barriers of the block before it
  uint32_t warp_phase = 0;   // barriers of the warp before it
  bool atomic = false;       // or volatile, or with an order of its own

  uint32_t warp() const { return thread / 32; }
};

// Whether nothing orders the earlier access before the later one.
inline bool unordered(const Access& earlier, const Access& later) {
  if (earlier.launch != later.launch) return false;
  if (earlier.block != later.block) return true;
  if (earlier.thread == later.thread || earlier.block_phase != later.block_phase) return false;
  return earlier.warp() != later.warp() || earlier.warp_phase == later.warp_phase;
}

// Of every byte of a region: its last writer, and two readers since, from two warps if there are
// two. A third reader is forgotten, so of several races on one byte at least one is found.
class AccessHistory {
 public:
  explicit AccessHistory(size_t bytes) : bytes_(bytes) {}

  // The access this one races with; null: none. `changes`: a write of something new. A history of
  // no bytes, of memory that one thread has for itself, records nothing.
  const Access* read(size_t byte, const Access& access);
  const Access* write(size_t byte, const Access& access, bool changes);

 private:
  struct Byte {
    Access writer, reader, other_reader;
  };
  static bool races(const Access& earlier, const Access& later) {
    return unordered(earlier, later) && !(earlier.atomic && later.atomic);
  }
  std::vector<Byte> bytes_;
};

}  // namespace ag::ptx
