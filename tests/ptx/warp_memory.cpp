// Loads, stores and atomics of a warp: each lane's access is checked on its own.
#include <fmt/format.h>

#include <cstring>

#include "tests/ptx/opcode.h"
#include "tests/ptx/value.h"
#include "tests/ptx/warp.h"

namespace ag::ptx {
namespace {

size_t bytes_of(Type type) { return static_cast<size_t>(bits_of(type)) / 8; }

const char* name_of(Space space) {
  switch (space) {
    case Space::shared: return "shared";
    case Space::local: return "local";
    case Space::param: return "param";
    default: return "global";
  }
}

// Shared and local memory may be meant by a generic address.
Space resolve(Space space, Address* address) {
  if (space != Space::generic) return space;
  if (*address >= kGlobalStart || *address < kSharedWindow) return Space::global;
  const bool local = *address >= kLocalWindow;
  *address -= local ? kLocalWindow : kSharedWindow;
  return local ? Space::local : Space::shared;
}

// Loads of narrow signed types fill the register with the sign.
Bits extended(Type type, Bits value) {
  if (!is_signed(type) || bits_of(type) == 64) return value;
  const Bits sign = Bits{1} << (bits_of(type) - 1);
  return (value ^ sign) - sign;
}

bool has_order(const Instruction& at) {
  return at["volatile"_m] || at["relaxed"_m] || at["acquire"_m] || at["release"_m] ||
         at.opcode->unit == Unit::atomic;
}

}  // namespace

Access Warp::access(const Instruction& at, int lane) const {
  return {block_.launch().number, block_.number(), first_thread() + static_cast<uint32_t>(lane),
          block_.phase(),         phase_,          has_order(at)};
}

Region* Warp::region_of(Space space, int lane, Address address, size_t bytes, uint64_t* offset) {
  *offset = address;
  space = resolve(space, offset);
  if (space == Space::global) return block_.launch().global.find(address, bytes, offset);
  Region& region = space == Space::shared ? block_.shared() : *local_[static_cast<size_t>(lane)];
  return region.holds(*offset, bytes) ? &region : nullptr;
}

Warp::Place Warp::locate(const Instruction& at, int lane, size_t bytes, const Operand& base,
                         int64_t offset, Space space) {
  need(at, base, Lanes{1} << lane, "address");
  const Address address = read(base, lane) + static_cast<Bits>(offset);
  Place place{};
  place.region = region_of(space, lane, address, bytes, &place.offset);
  if (!place.region) {
    report(Fault::out_of_bounds, at, lane,
           fmt::format("{} bytes of {} memory at {:#x}", bytes, name_of(space), address));
  } else if (address % bytes != 0) {
    report(Fault::misaligned, at, lane, fmt::format("{} bytes at {:#x}", bytes, address));
  }
  return place;
}

void Warp::check_race(const Instruction& at, int lane, const Access* other, const Place& place) {
  if (!other) return;
  const bool shared = place.region == &block_.shared();
  report(shared ? Fault::shared_race : Fault::global_race, at, lane,
         fmt::format("byte {} was accessed by thread {} of block {}, and nothing orders the two",
                     place.offset, other->thread, other->block));
}

void Warp::check_written(const Instruction& at, int lane, const Place& place, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if (place.region->written[place.offset + i]) continue;
    return report(Fault::uninitialised_read, at, lane,
                  fmt::format("byte {} of its memory was never written", place.offset + i));
  }
}

Bits Warp::read_memory(const Instruction& at, int lane, const Place& place, size_t bytes) {
  Bits value = 0;
  std::memcpy(&value, place.region->data.data() + place.offset, bytes);
  const Access* other = nullptr;
  for (size_t i = 0; i < bytes; ++i) {
    const Access* found = place.region->history.read(place.offset + i, access(at, lane));
    if (found) other = found;
  }
  check_race(at, lane, other, place);
  return value;
}

void Warp::put_down_write(const Instruction& at, int lane, const Place& place, size_t bytes,
                          bool changes) {
  Access other{};
  for (size_t i = 0; i < bytes; ++i) {
    const Access* found = place.region->history.write(place.offset + i, access(at, lane), changes);
    if (found) other = *found;
  }
  if (other.launch != 0) check_race(at, lane, &other, place);
}

// In global memory, writing what is there already counts as no change: schedules whose last tile is
// shifted inwards compute some elements twice.
void Warp::write_memory(const Instruction& at, int lane, const Place& place, size_t bytes,
                        Bits value) {
  const uint8_t* data = place.region->data.data() + place.offset;
  const bool shared = place.region == &block_.shared();
  const bool changes = shared || std::memcmp(data, &value, bytes) != 0;
  put_down_write(at, lane, place, bytes, changes);
  place.region->fill(&value, place.offset, bytes);
}

void Warp::load_parameter(const Instruction& at, Lanes lanes) {
  const std::vector<uint8_t>& parameters = block_.launch().parameters;
  const size_t bytes = bytes_of(at.type);
  for_each_lane(lanes, [&](int lane) {
    uint64_t offset = read(at.address, lane) + static_cast<Bits>(at.offset);
    for (const int destination : at.destinations) {
      Bits value = 0;
      if (offset + bytes > parameters.size()) {
        return report(Fault::out_of_bounds, at, lane,
                      fmt::format("byte {} of {} of parameters", offset, parameters.size()));
      }
      std::memcpy(&value, parameters.data() + offset, bytes);
      write(destination, lane, extended(at.type, value));
      offset += bytes;
    }
  });
  for (const int destination : at.destinations) mark(destination, lanes, lanes);
}

void Warp::load(const Instruction& at, Lanes lanes) {
  const size_t bytes = bytes_of(at.type);
  for_each_lane(lanes, [&](int lane) {
    Place place = locate(at, lane, bytes * at.destinations.size());
    if (place.region) check_written(at, lane, place, bytes * at.destinations.size());
    for (const int destination : at.destinations) {
      const Bits value = place.region ? read_memory(at, lane, place, bytes) : 0;
      write(destination, lane, extended(at.type, value));
      place.offset += bytes;
    }
  });
  for (const int destination : at.destinations) mark(destination, lanes, lanes);
}

void Warp::store(const Instruction& at, Lanes lanes) {
  const size_t bytes = bytes_of(at.type);
  for (const Operand& source : at.sources) need(at, source, lanes, "stored value");
  for_each_lane(lanes, [&](int lane) {
    Place place = locate(at, lane, bytes * at.sources.size());
    for (const Operand& source : at.sources) {
      if (place.region) write_memory(at, lane, place, bytes, read(source, lane));
      place.offset += bytes;
    }
  });
}

namespace {

// The new value: `old` is memory's, s the instruction's operands.
constexpr auto kUpdate = []<class T>(const Instruction& at, const Bits* s, bool&) -> Bits {
  const Bits old = s[0];
  if (at["exch"_m]) return s[1];
  if (at["cas"_m]) return old == s[1] ? s[2] : old;
  if (at["and"_m]) return old & s[1];
  if (at["or"_m]) return old | s[1];
  if (at["xor"_m]) return old ^ s[1];
  const T a = get<T>(old), b = get<T>(s[1]);
  if (at["min"_m]) return put(b < a ? b : a);
  if (at["max"_m]) return put(a < b ? b : a);
  if (at["inc"_m]) return put(a < b ? static_cast<T>(Computed<T>(a) + Computed<T>(1)) : T(0));
  if (at["dec"_m]) {
    return put(!(T(0) < a) || b < a ? b : static_cast<T>(Computed<T>(a) - Computed<T>(1)));
  }
  return put(static_cast<T>(Computed<T>(a) + Computed<T>(b)));
};

Evaluate update_of(const Instruction& at) {
  static constexpr auto decode = over<numbers>(kUpdate);
  return decode(at);
}

}  // namespace

// Lanes come one after the other, the lowest first; the hardware promises no order.
void Warp::atomic(const Instruction& at, Lanes lanes) {
  const size_t bytes = bytes_of(at.type);
  const Evaluate update = update_of(at);
  if (!update) throw PtxError(fmt::format("unknown instruction: '{}'", at.text));
  for (const Operand& source : at.sources) need(at, source, lanes, "operand");
  for_each_lane(lanes, [&](int lane) {
    const Place place = locate(at, lane, bytes);
    if (!place.region) return;
    check_written(at, lane, place, bytes);
    const Bits mask = bytes == 8 ? ~Bits{0} : (Bits{1} << (8 * bytes)) - 1;
    Bits operands[3] = {};
    std::memcpy(operands, place.region->data.data() + place.offset, bytes);
    for (size_t i = 0; i < at.sources.size(); ++i)
      operands[i + 1] = read(at.sources[i], lane) & mask;
    bool carry = false;
    write_memory(at, lane, place, bytes, update(at, operands, carry));
    if (!at.destinations.empty()) write(at.destinations[0], lane, operands[0]);
  });
  for (const int destination : at.destinations) mark(destination, lanes, lanes);
}

}  // namespace ag::ptx
