// Errors: CompileError for the user's mistakes, InternalError for ours.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "ir/location.h"

namespace ag {

// A mistake of the user. `message` names the op, the operand and both values; excerpt, notes and
// help are added by whoever knows them. what() is the finished text:
//
//   mlp.cpp:18: error: conv: filter %6 expects 32 input channels, but %5 has 64
//     %7 = conv(%5: f32[8,64,56,56], %6: f32[128,32,3,3])
//   mlp.cpp:16: note: %5 comes from relu here
//   help: set groups=2, or make the filter f32[128,64,3,3]
class CompileError : public std::exception {
 public:
  explicit CompileError(std::string message) : message_(std::move(message)) { render(); }

  CompileError& at(const Location& location);  // keeps the first known location
  CompileError& excerpt(std::string line);     // IR text of the node at fault
  CompileError& note(const Location& location, std::string text);
  CompileError& help(std::string way_out);

  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& message() const { return message_; }
  const Location& location() const { return location_; }

 private:
  void render();

  std::string message_, excerpt_, help_, text_;
  Location location_;
  std::vector<std::pair<Location, std::string>> notes_;
};

// A broken promise of the compiler itself; ir/internal_error.h throws it.
class InternalError : public std::logic_error {
 public:
  explicit InternalError(const std::string& message)
      : std::logic_error("internal error: " + message + " (please report it with the .ag file)") {}
};

}  // namespace ag
