#include "train/data_files.h"

#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "ir/diagnostics.h"

namespace ag {
namespace {

namespace fs = std::filesystem;

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};

}  // namespace

std::string find_data_file(const std::string& folder, std::span<const std::string> subfolders,
                           std::span<const std::string> names, const std::string& way_out) {
  for (const std::string& subfolder : subfolders) {
    for (const std::string& name : names) {
      const fs::path path = fs::path(folder) / subfolder / name;
      if (fs::is_regular_file(path)) return path.string();
    }
  }
  const char* reason = fs::is_directory(folder) ? "lacks" : "is no folder; it should hold";
  throw CompileError(fmt::format("{} {} {}", folder, reason, fmt::join(names, " or ")))
      .help(way_out);
}

std::vector<std::byte> read_maybe_gzipped(const std::string& path, size_t limit) {
  errno = 0;
  const std::unique_ptr<gzFile_s, CloseGzip> file(gzopen(path.c_str(), "rb"));
  if (!file) throw CompileError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  constexpr size_t kStep = 1 << 20;
  std::vector<std::byte> bytes;
  while (true) {
    const size_t used = bytes.size();
    bytes.resize(used + kStep);
    const int got = gzread(file.get(), bytes.data() + used, kStep);
    bytes.resize(used + static_cast<size_t>(std::max(got, 0)));
    int code = Z_OK;
    const char* reason = gzerror(file.get(), &code);
    if (code != Z_OK) throw CompileError(fmt::format("{} is damaged: {}", path, reason));
    if (got == 0) return bytes;
    if (bytes.size() > limit) {
      throw CompileError(fmt::format("{} unpacks to more than {} bytes", path, limit));
    }
  }
}

}  // namespace ag
