// SIGINT and SIGTERM as a question that a loop asks.
#pragma once

#include <csignal>

namespace ag {

// While one exists, the first SIGINT or SIGTERM is only noted; a second one of the same kind ends
// the process as usual. One at a time in a process.
class InterruptionGuard {
 public:
  InterruptionGuard();
  ~InterruptionGuard();
  InterruptionGuard(const InterruptionGuard&) = delete;
  InterruptionGuard& operator=(const InterruptionGuard&) = delete;

  bool interrupted() const;

 private:
  struct sigaction old_interrupt_, old_terminate_;
};

}  // namespace ag
