#include "ir/diagnostics.h"

#include <fmt/format.h>

namespace ag {

CompileError& CompileError::at(const Location& location) {
  if (!location_.known()) location_ = location;
  render();
  return *this;
}

CompileError& CompileError::excerpt(std::string line) {
  if (excerpt_.empty()) excerpt_ = std::move(line);
  render();
  return *this;
}

CompileError& CompileError::note(const Location& location, std::string text) {
  notes_.emplace_back(location, std::move(text));
  render();
  return *this;
}

CompileError& CompileError::help(std::string way_out) {
  if (help_.empty()) help_ = std::move(way_out);
  render();
  return *this;
}

void CompileError::render() {
  auto prefix = [](const Location& location) {
    return location.known() ? fmt::format("{}:{}: ", location.file, location.line) : std::string();
  };
  text_ = prefix(location_) + "error: " + message_;
  if (!excerpt_.empty()) text_ += "\n  " + excerpt_;
  for (const auto& [location, text] : notes_) text_ += "\n" + prefix(location) + "note: " + text;
  if (!help_.empty()) text_ += "\nhelp: " + help_;
}

}  // namespace ag
