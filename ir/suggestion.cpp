#include "ir/suggestion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace ag {

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> before, last, row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      int replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string closest_name(std::string_view name, std::span<const std::string> known) {
  int limit = std::max(1, static_cast<int>(name.size() + 2) / 3);
  std::string closest;
  for (const std::string& candidate : known) {
    if (candidate.size() > name.size() + limit || name.size() > candidate.size() + limit) continue;
    int distance = edit_distance(name, candidate);
    if (distance > limit) continue;
    limit = distance - 1;  // the first of equals stays
    closest = candidate;
  }
  return closest;
}

std::string name_help(std::string_view name, std::span<const std::string> known,
                      std::string_view kind) {
  constexpr size_t kShortList = 24;
  std::string closest = closest_name(name, known);
  std::string help = closest.empty() ? "" : fmt::format("did you mean '{}'?", closest);
  if (known.empty()) return fmt::format("there are no {}", kind);
  if (known.size() > kShortList && !closest.empty()) return help;
  return fmt::format("{}{}{}: {}", help, help.empty() ? "" : " ", kind, fmt::join(known, ", "));
}

}  // namespace ag
