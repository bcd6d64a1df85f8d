#include "tools/output_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "ir/diagnostics.h"
#include "ir/file.h"

namespace ag {

namespace fs = std::filesystem;

void check_writable(const std::string& path, const std::string& option) {
  if (fs::is_directory(path)) {
    throw CompileError(fmt::format("cannot write {}: it is a directory", path))
        .help("name a file: " + option);
  }
  if (!fs::exists(path) || fs::is_regular_file(path)) AtomicFile probe(path);
}

}  // namespace ag
