#include "tests/ptx/warp.h"

#include <fmt/format.h>

#include <bit>

#include "tests/ptx/opcode.h"

namespace ag::ptx {

Warp::Warp(Block& block, uint32_t number) : block_(block), number_(number) {
  const Kernel& kernel = block.launch().kernel;
  registers_.resize(kernel.registers.size());
  defined_.resize(kernel.registers.size());
  const uint32_t threads = std::min<uint32_t>(block.threads() - first_thread(), kLanes);
  const Lanes all = threads == kLanes ? ~Lanes{0} : (Lanes{1} << threads) - 1;
  paths_.push_back({0, static_cast<uint32_t>(kernel.instructions.size()), all});
  for (uint32_t i = 0; i < threads; ++i) {
    local_.push_back(std::make_unique<Region>(kernel.local_bytes, false));
  }
}

void Warp::run() {
  Launch& launch = block_.launch();
  while (!finished() && !barrier_) {
    if (launch.executed >= launch.budget) {
      report(Fault::endless, launch.kernel.instructions[paths_.back().pc], 0,
             fmt::format("the launch has run {} instructions", launch.executed));
      paths_.clear();
      return;
    }
    step();
  }
}

void Warp::step() {
  Path& path = paths_.back();
  if (path.pc == path.end || path.lanes == 0) {
    // The end of the lowest path is the kernel's: its lanes are done.
    paths_.pop_back();
    return;
  }
  ++block_.launch().executed;
  const Instruction& at = block_.launch().kernel.instructions[path.pc];
  Lanes lanes = path.lanes;
  if (at.guard >= 0) {
    const Operand guard{Operand::Kind::reg, at.guard_negated, at.guard};
    need(at, guard, lanes, "condition");
    for_each_lane(path.lanes, [&](int lane) {
      if (!(read(guard, lane) & 1)) lanes &= ~(Lanes{1} << lane);
    });
  }
  ++path.pc;
  if (at.opcode->unit == Unit::branch)
    branch(at, lanes);
  else if (lanes)
    execute(at, lanes);
}

void Warp::execute(const Instruction& at, Lanes lanes) {
  switch (at.opcode->unit) {
    case Unit::arithmetic: return arithmetic(at, lanes);
    case Unit::load: return at.space == Space::param ? load_parameter(at, lanes) : load(at, lanes);
    case Unit::store: return store(at, lanes);
    case Unit::atomic: return atomic(at, lanes);
    case Unit::copy: return copy(at, lanes);
    case Unit::exit: return leave(lanes);
    case Unit::barrier: return barrier(at, lanes);
    case Unit::shuffle: return shuffle(at, lanes);
    case Unit::vote: return vote(at, lanes);
    case Unit::reduce: return reduce(at, lanes);
    case Unit::activemask:
      for_each_lane(lanes, [&](int lane) { write(at.destinations[0], lane, lanes); });
      return mark(at.destinations[0], lanes, lanes);
    case Unit::trap:
      report(Fault::trap, at, std::countr_zero(lanes), "the kernel traps");
      return paths_.clear();
    case Unit::fence:   // memory here is one and in order
    case Unit::branch:  // step() has seen to it
      return;
  }
}

void Warp::arithmetic(const Instruction& at, Lanes lanes) {
  Lanes holds_value = lanes;
  for (const Operand& source : at.sources) holds_value &= defined(source);
  const size_t count = at.destinations.size();
  // Two destinations and more share the result's bits: predicates have one each.
  const int width = bits_of(at.type) / (at.type == Type::pred ? 1 : static_cast<int>(count));
  const bool predicates = at.opcode->name == "setp";
  for_each_lane(lanes, [&](int lane) {
    Bits sources[5] = {};
    for (size_t i = 0; i < at.sources.size(); ++i) sources[i] = read(at.sources[i], lane);
    Bits value = at.evaluate(at, sources, carry_[static_cast<size_t>(lane)]);
    if (count == 1) return write(at.destinations[0], lane, predicates ? value & 1 : value);
    for (const int destination : at.destinations) {
      write(destination, lane, predicates ? value & 1 : value & ((Bits{1} << width) - 1));
      value >>= predicates ? 1 : width;
    }
  });
  for (const int destination : at.destinations) mark(destination, lanes, holds_value);
}

// The path's lanes that do not take the branch go on; those that do go to its target. When both
// kinds exist the path waits where they meet, and two new ones run.
void Warp::branch(const Instruction& at, Lanes taken) {
  Path& path = paths_.back();
  const Lanes stays = path.lanes & ~taken;
  if (!taken) return;
  if (!stays) {
    path.pc = at.targets[0];
    return;
  }
  const uint32_t next = path.pc;
  path.pc = at.reconverge;
  paths_.push_back({next, at.reconverge, stays});
  paths_.push_back({at.targets[0], at.reconverge, taken});
}

void Warp::leave(Lanes lanes) {
  for (Path& path : paths_) path.lanes &= ~lanes;
}

void Warp::barrier(const Instruction& at, Lanes lanes) {
  if (lanes != living()) {
    report(Fault::divergent_barrier, at, std::countr_zero(living() & ~lanes),
           fmt::format("lanes {:08x} wait, of the warp's {:08x}", lanes, living()));
  }
  if (at["warp"_m]) {
    ++phase_;
    return;
  }
  barrier_ = &at;
}

Bits Warp::read(const Operand& operand, int lane) const {
  Bits value = operand.value;
  switch (operand.kind) {
    case Operand::Kind::reg: value = registers_[static_cast<size_t>(operand.index)][lane]; break;
    case Operand::Kind::special: value = special(static_cast<Special>(operand.index), lane); break;
    case Operand::Kind::dynamic: value += block_.launch().kernel.shared_bytes; break;
    case Operand::Kind::immediate:
    case Operand::Kind::variable: break;
  }
  return operand.negated ? !(value & 1) : value;
}

Dim3 Warp::thread_index(int lane) const {
  const Dim3& size = block_.launch().block;
  const uint32_t thread = first_thread() + static_cast<uint32_t>(lane);
  return {thread % size.x, thread / size.x % size.y, thread / size.x / size.y};
}

Bits Warp::special(Special which, int lane) const {
  const auto component = [](const Dim3& dim, Special which, Special x) {
    const int axis = static_cast<int>(which) - static_cast<int>(x);
    return axis == 0 ? dim.x : axis == 1 ? dim.y : dim.z;
  };
  const Lanes mine = Lanes{1} << lane;
  switch (which) {
    case Special::laneid: return static_cast<Bits>(lane);
    case Special::warpid: return number_;
    case Special::lanemask_eq: return mine;
    case Special::lanemask_lt: return mine - 1;
    case Special::lanemask_le: return mine | (mine - 1);
    case Special::lanemask_gt: return static_cast<Lanes>(~(mine | (mine - 1)));
    case Special::lanemask_ge: return static_cast<Lanes>(~(mine - 1));
    default: break;
  }
  if (which <= Special::tid_z) return component(thread_index(lane), which, Special::tid_x);
  if (which <= Special::ntid_z) return component(block_.launch().block, which, Special::ntid_x);
  if (which <= Special::ctaid_z) return component(block_.index(), which, Special::ctaid_x);
  return component(block_.launch().grid, which, Special::nctaid_x);
}

Lanes Warp::defined(const Operand& operand) const {
  return operand.kind == Operand::Kind::reg ? defined_[static_cast<size_t>(operand.index)]
                                            : ~Lanes{0};
}

void Warp::mark(int destination, Lanes lanes, Lanes holds_value) {
  if (destination == kSink) return;
  Lanes& mask = defined_[static_cast<size_t>(destination)];
  mask = (mask & ~lanes) | (lanes & holds_value);
}

void Warp::need(const Instruction& at, const Operand& operand, Lanes lanes, const char* as_what) {
  const Lanes missing = lanes & ~defined(operand);
  if (missing == 0) return;
  report(Fault::uninitialised_read, at, std::countr_zero(missing),
         fmt::format("{} {} holds no value", as_what,
                     block_.launch().kernel.registers[static_cast<size_t>(operand.index)]));
}

void Warp::report(Fault fault, const Instruction& at, int lane, const std::string& what) {
  block_.report(fault, at, first_thread() + static_cast<uint32_t>(lane), what);
}

}  // namespace ag::ptx
