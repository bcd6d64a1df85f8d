// The memories of a GPU, each byte with a mark whether it was ever written.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/ptx/program.h"
#include "tests/ptx/races.h"

namespace ag::ptx {

using Address = uint64_t;

// Where shared and local memory appear among generic addresses. Global memory has all above them;
// the addresses of all are far from zero, so that null is nobody's.
inline constexpr Address kSharedWindow = 0x0100'0000'0000;
inline constexpr Address kLocalWindow = 0x0200'0000'0000;
inline constexpr Address kGlobalStart = 0x7000'0000'0000;

struct Region {
  explicit Region(size_t bytes, bool tracked = true)
      : data(bytes), written(bytes, 0), history(tracked ? bytes : 0) {}

  bool holds(uint64_t offset, size_t bytes) const {
    return bytes <= data.size() && offset <= data.size() - bytes;
  }
  void fill(const void* source, size_t offset, size_t bytes);  // marks them written

  std::vector<uint8_t> data;
  std::vector<char> written;
  AccessHistory history;
};

// Allocations with gaps between them, so that an index too far never hits the neighbour.
class GlobalMemory {
 public:
  Address allocate(size_t bytes);
  bool free(Address address);  // false: no allocation starts there
  size_t allocations() const { return regions_.size(); }
  // The region of an access and the place in it; null: outside of all.
  Region* find(Address address, size_t bytes, uint64_t* offset);

 private:
  std::map<Address, std::unique_ptr<Region>> regions_;
  Address next_ = kGlobalStart;
};

}  // namespace ag::ptx
