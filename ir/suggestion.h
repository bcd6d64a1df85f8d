// "did you mean": the known name nearest to a mistyped one.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ag {

// Single-character insertions, deletions, replacements and swaps of neighbours that turn a into b.
int edit_distance(std::string_view a, std::string_view b);

// The name in `known` nearest to `name`, empty when none is near (more than a third of it differs).
std::string closest_name(std::string_view name, std::span<const std::string> known);

// A help line: "did you mean 'relu'? known ops: …" (the list only while it is short).
std::string name_help(std::string_view name, std::span<const std::string> known,
                      std::string_view kind);

}  // namespace ag
