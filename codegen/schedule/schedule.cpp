#include "codegen/schedule/schedule.h"

#include <fmt/format.h>

#include <charconv>

#include "ir/diagnostics.h"

namespace ag {

int64_t Schedule::at(std::string_view parameter) const {
  auto found = values.find(std::string(parameter));
  if (found == values.end()) {
    throw CompileError(fmt::format("schedule: '{}' lacks the parameter '{}'", text(), parameter));
  }
  return found->second;
}

std::string Schedule::text() const {
  std::string list;
  for (const auto& [key, value] : values) {
    list += fmt::format("{}{}={}", list.empty() ? "" : ",", key, value);
  }
  return fmt::format("{}{{{}}}", name, list);
}

Schedule Schedule::parse(std::string_view text) {
  auto bad = [&](std::string_view why) {
    return CompileError(fmt::format("schedule: '{}': {}", text, why))
        .help("write name{key=integer,…}");
  };
  size_t open = text.find('{');
  if (open == std::string_view::npos || text.back() != '}')
    throw bad("no parameter list in braces");
  Schedule schedule{std::string(text.substr(0, open)), {}};
  std::string_view rest = text.substr(open + 1, text.size() - open - 2);
  while (!rest.empty()) {
    std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    size_t equals = item.find('=');
    int64_t value = 0;
    if (equals == std::string_view::npos) throw bad(fmt::format("'{}' has no value", item));
    auto [end, error] = std::from_chars(item.data() + equals + 1, item.data() + item.size(), value);
    if (error != std::errc() || end != item.data() + item.size())
      throw bad(fmt::format("'{}' is no integer", item));
    schedule.values[std::string(item.substr(0, equals))] = value;
  }
  return schedule;
}

}  // namespace ag
