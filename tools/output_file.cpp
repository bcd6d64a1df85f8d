#include "tools/output_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "ir/diagnostics.h"
#include "ir/file.h"

namespace ag {

namespace fs = std::filesystem;

void check_writable(const std::string& path, const std::string& option,
                    std::initializer_list<std::string> inputs) {
  for (const std::string& input : inputs) {
    std::error_code no_file;  // of either name: then they are not the same
    if (!fs::equivalent(path, input, no_file)) continue;
    throw CompileError(fmt::format("{} is read by this command, which would write over it", path))
        .help("name another file: " + option);
  }
  if (fs::is_directory(path)) {
    throw CompileError(fmt::format("cannot write {}: it is a directory", path))
        .help("name a file: " + option);
  }
  if (!fs::exists(path) || fs::is_regular_file(path)) AtomicFile probe(path);
}

}  // namespace ag
