// Copies from global to shared memory that run while the thread goes on (cp.async).
//
// Nothing says when a copy writes, but that it is done when its thread has waited for its group. So
// it is the latest moment that counts: from the start of a copy until then its bytes hold no value,
// and who reads them is reported. The write itself may come at the start as well as at the end: it
// is put down for both moments, so that neither may race with what others read or write. For the
// thread's own eyes the wait is enough; other threads need a barrier behind it, as after any write.
#include <cstring>
#include <utility>

#include "tests/ptx/opcode.h"
#include "tests/ptx/warp.h"

namespace ag::ptx {

void Warp::copy(const Instruction& at, Lanes lanes) {
  for_each_lane(lanes, [&](int lane) {
    Copies& copies = copies_[static_cast<size_t>(lane)];
    if (at["commit_group"_m]) {
      copies.groups.push_back(std::exchange(copies.open, {}));
    } else if (at["wait_group"_m] || at["wait_all"_m]) {
      const size_t left = at["wait_all"_m] ? 0 : at.sources[0].value;
      for (; copies.groups.size() > left; copies.groups.pop_front())
        finish_copies(at, lane, copies.groups.front());
      if (at["wait_all"_m]) finish_copies(at, lane, std::exchange(copies.open, {}));
    } else {
      start_copy(at, lane);
    }
  });
}

// What is not read, of fewer bytes than are written, is zero.
void Warp::start_copy(const Instruction& at, int lane) {
  Copy copy{locate(at, lane, at.sources[0].value, at.address, at.offset, Space::shared),
            at.sources[0].value,
            {}};
  size_t existing = copy.bytes;
  if (at.sources.size() == 2) {
    need(at, at.sources[1], Lanes{1} << lane, "number of bytes");
    existing = std::min<size_t>(existing, read(at.sources[1], lane) & 0xFFFFFFFF);
  }
  if (existing > 0) {
    Place from = locate(at, lane, existing, at.from, at.from_offset, Space::global);
    if (from.region) {
      check_written(at, lane, from, existing);
      for (size_t i = 0; i < existing; ++i, ++from.offset)
        copy.data[i] = static_cast<uint8_t>(read_memory(at, lane, from, 1));
    }
  }
  if (!copy.to.region) return;
  put_down_write(at, lane, copy.to, copy.bytes);
  for (size_t i = 0; i < copy.bytes; ++i) copy.to.region->written[copy.to.offset + i] = 0;
  copies_[static_cast<size_t>(lane)].open.push_back(copy);
}

void Warp::finish_copies(const Instruction& at, int lane, const std::vector<Copy>& copies) {
  for (const Copy& copy : copies) {
    put_down_write(at, lane, copy.to, copy.bytes);
    copy.to.region->fill(copy.data.data(), copy.to.offset, copy.bytes);
  }
}

}  // namespace ag::ptx
