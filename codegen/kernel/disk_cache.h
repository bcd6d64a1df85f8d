// Compiled kernels on disk, addressed by cache_key. Several processes may use one directory at
// once: entries appear by rename and carry a checksum, so a reader sees a whole entry or none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "codegen/kernel/request.h"

namespace ag {

class DiskCache {
 public:
  // Creates nothing until the first insert.
  explicit DiskCache(std::filesystem::path directory, int64_t maximum_bytes = kDefaultMaximumBytes);

  // $ARGENT_CACHE_DIR, else $XDG_CACHE_HOME/argent, else ~/.cache/argent; empty where none is set
  // or where ARGENT_CACHE_DIR is set to nothing, which turns the cache off.
  static std::optional<std::filesystem::path> default_directory();

  // Empty when there is no entry or the entry is damaged (then it is removed).
  std::optional<KernelResult> find(const std::string& key);
  // Keeps the result. A directory that cannot be written makes the cache useless, not the compile
  // wrong: the reason is kept in problem().
  void insert(const std::string& key, const KernelResult& result);
  // Removes the entries that were used least recently until all together fit the maximum. It has to
  // look at every entry, so it does nothing within ten minutes of the last time, by any process.
  void trim();

  // Why the last insert failed; empty when none did.
  const std::string& problem() const { return problem_; }
  const std::filesystem::path& directory() const { return directory_; }

  static constexpr int64_t kDefaultMaximumBytes = int64_t{1} << 30;

 private:
  std::filesystem::path path_of(const std::string& key) const;
  // Whether nobody has trimmed lately; the next who asks is then told that somebody has.
  bool claim_trim() const;

  std::filesystem::path directory_;
  int64_t maximum_bytes_;
  std::string problem_;
};

}  // namespace ag
