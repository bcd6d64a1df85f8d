// What a kernel did wrong, without the kernel stopping for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ag::ptx {

enum class Fault : uint8_t {
  out_of_bounds,       // an access outside every allocation, or to one that was freed
  misaligned,          // an access not aligned to all of its bytes
  uninitialised_read,  // memory nobody wrote, or a register as address, condition or stored value
  shared_race,         // two threads, one writes, the same byte, nothing orders them
  global_race,         // the same in global memory; writing what is there already is none
  divergent_barrier,   // a barrier that some lanes of a warp, or some warps, do not come to
  divergent_exchange,  // a shuffle or vote with lanes missing, or reading a lane that is not there
  endless,             // more instructions than the machine's budget
  trap,                // the kernel gave up
};

const char* name_of(Fault fault);

struct Report {
  Fault fault;
  std::string text;  // kernel, instruction, line, thread, what is wrong
  int line;          // of the PTX
};

// Of a launch: the first report of each kind at each line, and how many there were in all. A kernel
// that is wrong is mostly wrong in every thread.
struct Reports {
  std::vector<Report> first;
  uint64_t count = 0;

  void add(Report report) {
    ++count;
    for (const Report& known : first) {
      if (known.fault == report.fault && known.line == report.line) return;
    }
    first.push_back(std::move(report));
  }
};

}  // namespace ag::ptx
