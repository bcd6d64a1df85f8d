// Finding and reading the files of data sets.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace ag {

// The path of the first of `names` found in `folder` or one of its `subfolders`. Throws
// CompileError that says what was looked for; `way_out` becomes its help line.
std::string find_data_file(const std::string& folder, std::span<const std::string> subfolders,
                           std::span<const std::string> names, const std::string& way_out);

// The bytes of a plain or gzipped file. Throws CompileError when it is damaged or unpacks to more
// than `limit` bytes.
std::vector<std::byte> read_maybe_gzipped(const std::string& path, size_t limit);

}  // namespace ag
