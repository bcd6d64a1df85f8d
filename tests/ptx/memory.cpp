#include "tests/ptx/memory.h"

#include <algorithm>
#include <cstring>

namespace ag::ptx {

void Region::fill(const void* source, size_t offset, size_t bytes) {
  if (bytes == 0) return;
  std::memcpy(data.data() + offset, source, bytes);
  std::fill_n(written.begin() + static_cast<int64_t>(offset), bytes, 1);
}

Address GlobalMemory::allocate(size_t bytes) {
  constexpr Address kGap = 4096, kAlignment = 256;
  const Address address = next_;
  next_ += (bytes + kGap + kAlignment - 1) / kAlignment * kAlignment;
  regions_.emplace(address, std::make_unique<Region>(bytes));
  return address;
}

bool GlobalMemory::free(Address address) { return regions_.erase(address) == 1; }

Region* GlobalMemory::find(Address address, size_t bytes, uint64_t* offset) {
  auto after = regions_.upper_bound(address);
  if (after == regions_.begin()) return nullptr;
  const auto& [start, region] = *--after;
  *offset = address - start;
  return region->holds(*offset, bytes) ? region.get() : nullptr;
}

}  // namespace ag::ptx
