#include "codegen/kernel/disk_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "codegen/kernel/byte_stream.h"

namespace ag {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMagic = "argent kernel 1";
constexpr std::string_view kExtension = ".kernel";

std::string encode(const std::string& key, const KernelResult& result) {
  const std::string payload = serialize(result);
  ByteWriter out;
  out.text(kMagic).text(key).text(content_hash(payload)).text(payload);
  return out.take();
}

std::optional<KernelResult> decode(const std::string& key, std::string_view bytes) {
  ByteReader in(bytes);
  const std::string magic = in.text(), stored_key = in.text(), hash = in.text();
  const std::string payload = in.text();
  if (!in.at_end() || magic != kMagic || stored_key != key) return std::nullopt;
  if (hash != content_hash(payload)) return std::nullopt;
  return parse_kernel_result(payload);
}

// A name beside `path` that no other writer uses.
fs::path temporary_name(const fs::path& path) {
  static std::atomic<int> counter{0};
  return path.string() + fmt::format(".{}-{}.part", getpid(), counter++);
}

}  // namespace

DiskCache::DiskCache(fs::path directory, int64_t maximum_bytes)
    : directory_(std::move(directory)), maximum_bytes_(maximum_bytes) {}

std::optional<fs::path> DiskCache::default_directory() {
  if (const char* own = std::getenv("ARGENT_CACHE_DIR")) {
    return *own ? std::optional<fs::path>(own) : std::nullopt;
  }
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache) return fs::path(cache) / "argent";
  const char* home = std::getenv("HOME");
  if (home && *home) return fs::path(home) / ".cache" / "argent";
  return std::nullopt;
}

fs::path DiskCache::path_of(const std::string& key) const {
  return directory_ / key.substr(0, 2) / (key + std::string(kExtension));
}

std::optional<KernelResult> DiskCache::find(const std::string& key) {
  const fs::path path = path_of(key);
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::optional<KernelResult> result = decode(key, bytes);
  // Both only keep house: a failure of either costs a recompile later, nothing else.
  std::error_code unimportant;
  if (result) {
    fs::last_write_time(path, fs::file_time_type::clock::now(), unimportant);
  } else {
    fs::remove(path, unimportant);
  }
  return result;
}

// No flush to the disk, unlike AtomicFile: after a power cut the checksum finds a torn entry.
void DiskCache::insert(const std::string& key, const KernelResult& result) {
  const fs::path path = path_of(key), temporary = temporary_name(path);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream file(temporary, std::ios::binary);
  file << encode(key, result);
  file.close();
  const bool written = static_cast<bool>(file);
  if (written) fs::rename(temporary, path, error);
  if (written && !error) return;
  problem_ =
      fmt::format("cannot write {}: {}", path.string(),
                  error ? error.message() : "the file cannot be created or the disk is full");
  fs::remove(temporary, error);
}

bool DiskCache::claim_trim() const {
  constexpr std::chrono::minutes kLately(10);
  const fs::path stamp = directory_ / "trimmed";
  std::error_code error;
  const fs::file_time_type last = fs::last_write_time(stamp, error);
  if (!error && std::chrono::abs(fs::file_time_type::clock::now() - last) < kLately) return false;
  std::ofstream(stamp) << '\n';
  return true;
}

void DiskCache::trim() {
  if (!claim_trim()) return;
  struct Entry {
    fs::file_time_type used;
    int64_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  int64_t total = 0;
  std::error_code error;
  // Other processes may remove entries meanwhile: what cannot be read any more is passed over.
  for (fs::recursive_directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone) || gone) continue;
    Entry entry{it->last_write_time(gone), 0, it->path()};
    if (gone) continue;
    entry.bytes = static_cast<int64_t>(it->file_size(gone));
    if (gone) continue;
    const bool abandoned = entry.path.extension() == ".part" &&
                           fs::file_time_type::clock::now() - entry.used > std::chrono::hours(1);
    if (abandoned) fs::remove(entry.path, gone);
    if (entry.path.extension() != kExtension) continue;
    total += entry.bytes;
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (total <= maximum_bytes_) break;
    if (fs::remove(entry.path, error)) total -= entry.bytes;
  }
}

}  // namespace ag
