// Values that lanes of a warp hand each other without memory: shuffles, votes, reductions.
#include <fmt/format.h>

#include <bit>

#include "tests/ptx/opcode.h"
#include "tests/ptx/value.h"
#include "tests/ptx/warp.h"

namespace ag::ptx {
namespace {

// From which lane a lane reads, and whether that lies within its segment of the warp. c holds the
// segment's mask (bits 8 to 12) and the bound (bits 0 to 4).
struct Source {
  int lane;
  bool inside;
};

Source shuffle_source(const Instruction& at, int lane, Bits b, Bits c) {
  const int distance = static_cast<int>(b & 31), bound = static_cast<int>(c & 31);
  const int segment = static_cast<int>(c >> 8 & 31);
  const int lowest = lane & segment, highest = lowest | (bound & ~segment);
  Source source{};
  if (at["up"_m]) {
    source.lane = lane - distance;
    source.inside = source.lane >= highest;
  } else {
    source.lane = at["down"_m]   ? lane + distance
                  : at["bfly"_m] ? lane ^ distance
                                 : lowest | (distance & ~segment);
    source.inside = source.lane <= highest;
  }
  if (!source.inside) source.lane = lane;
  return source;
}

}  // namespace

// All lanes that execute are named in the mask, and all that it names come here together.
void Warp::check_members(const Instruction& at, Lanes lanes, size_t mask_operand) {
  for_each_lane(lanes, [&](int lane) {
    const auto members = static_cast<Lanes>(read(at.sources[mask_operand], lane));
    const Lanes missing = (members & living()) & ~lanes;
    if (!(members >> lane & 1)) {
      report(Fault::divergent_exchange, at, lane, fmt::format("not in its mask {:08x}", members));
    } else if (missing) {
      report(Fault::divergent_exchange, at, lane,
             fmt::format("waits for lanes {:08x}, which are elsewhere", missing));
    }
  });
}

void Warp::shuffle(const Instruction& at, Lanes lanes) {
  check_members(at, lanes, 3);
  std::array<Bits, kLanes> values{};
  for_each_lane(lanes,
                [&](int lane) { values[static_cast<size_t>(lane)] = read(at.sources[0], lane); });
  Lanes holds_value = 0;
  const Lanes source_holds_value = defined(at.sources[0]);
  for_each_lane(lanes, [&](int lane) {
    const Source source =
        shuffle_source(at, lane, read(at.sources[1], lane), read(at.sources[2], lane));
    if (!(lanes >> source.lane & 1)) {
      report(Fault::divergent_exchange, at, lane,
             fmt::format("reads lane {}, which is not here", source.lane));
    } else if (source_holds_value >> source.lane & 1) {
      holds_value |= Lanes{1} << lane;
    }
    write(at.destinations[0], lane, values[static_cast<size_t>(source.lane)] & 0xFFFFFFFF);
    if (at.destinations.size() > 1) write(at.destinations[1], lane, source.inside);
  });
  mark(at.destinations[0], lanes, holds_value);
  if (at.destinations.size() > 1) mark(at.destinations[1], lanes, lanes);
}

void Warp::vote(const Instruction& at, Lanes lanes) {
  check_members(at, lanes, 1);
  need(at, at.sources[0], lanes, "vote");
  Lanes yes = 0;
  for_each_lane(lanes, [&](int lane) {
    if (read(at.sources[0], lane) & 1) yes |= Lanes{1} << lane;
  });
  const Bits value = at["ballot"_m] ? yes
                     : at["all"_m]  ? yes == lanes
                     : at["any"_m]  ? yes != 0
                                    : yes == 0 || yes == lanes;
  for_each_lane(lanes, [&](int lane) { write(at.destinations[0], lane, value); });
  mark(at.destinations[0], lanes, lanes);
}

namespace {

constexpr auto kJoin = []<class T>(const Instruction& at, const Bits* s, bool&) -> Bits {
  const T a = get<T>(s[0]), b = get<T>(s[1]);
  if (at["min"_m]) return put(b < a ? b : a);
  if (at["max"_m]) return put(a < b ? b : a);
  if (at["and"_m]) return s[0] & s[1];
  if (at["or"_m]) return s[0] | s[1];
  if (at["xor"_m]) return s[0] ^ s[1];
  return put(static_cast<T>(s[0] + s[1]));
};

Evaluate join_of(const Instruction& at) {
  static constexpr auto decode = over<integers>(kJoin);
  return decode(at);
}

}  // namespace

void Warp::reduce(const Instruction& at, Lanes lanes) {
  check_members(at, lanes, 1);
  need(at, at.sources[0], lanes, "operand");
  const Evaluate join = join_of(at);
  if (!join) throw PtxError(fmt::format("unknown instruction: '{}'", at.text));
  const int first = std::countr_zero(lanes);
  Bits value = read(at.sources[0], first);
  bool carry = false;
  for_each_lane(lanes & ~(Lanes{1} << first), [&](int lane) {
    const Bits operands[] = {value, read(at.sources[0], lane)};
    value = join(at, operands, carry);
  });
  for_each_lane(lanes, [&](int lane) { write(at.destinations[0], lane, value); });
  mark(at.destinations[0], lanes, lanes);
}

namespace {

#define AG_PTX_MEMORY                                                                          \
  "global shared local const param v2 v4 weak relaxed acquire release volatile gpu cta sys nc" \
  " ca cg cs lu cv wb wt"

constexpr Opcode kOpcodes[] = {
    {"ld", Unit::load, AG_PTX_MEMORY},
    {"ldu", Unit::load, AG_PTX_MEMORY},
    {"st", Unit::store, AG_PTX_MEMORY},
    {"atom", Unit::atomic,
     "global shared relaxed acquire release acq_rel gpu cta sys add exch cas min max inc dec and "
     "or xor",
     1},
    {"red", Unit::atomic,
     "global shared relaxed release gpu cta sys add min max inc dec and or xor", 1},
    {"cp", Unit::copy, "async ca cg shared global commit_group wait_group wait_all"},
    {"bra", Unit::branch, "uni"},
    {"ret", Unit::exit, "uni"},
    {"exit", Unit::exit, ""},
    {"bar", Unit::barrier, "sync warp cta", 1},
    {"barrier", Unit::barrier, "sync aligned cta all", 1},
    {"membar", Unit::fence, "gl cta sys"},
    {"fence", Unit::fence, "sc acq_rel gpu cta sys"},
    {"shfl", Unit::shuffle, "sync idx up down bfly", 4},
    {"vote", Unit::vote, "sync all any uni ballot", 2},
    {"activemask", Unit::activemask, ""},
    {"redux", Unit::reduce, "sync add min max and or xor", 2},
    {"trap", Unit::trap, ""},
};
#undef AG_PTX_MEMORY

}  // namespace

std::span<const Opcode> warp_opcodes() { return kOpcodes; }

}  // namespace ag::ptx
