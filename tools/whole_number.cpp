#include "tools/whole_number.h"

#include <fmt/format.h>

#include <charconv>

namespace ag {

CLI::Validator whole_number(int64_t low, int64_t high) {
  auto problem = [low, high](const std::string& text) -> std::string {
    int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data(), end, value);
    if (failure == std::errc() && stop == end && value >= low && value <= high) return {};
    return fmt::format("'{}' is not a whole number from {} to {}", text, low, high);
  };
  return CLI::Validator(problem, "", "whole_number");
}

}  // namespace ag
