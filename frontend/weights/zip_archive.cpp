#include "frontend/weights/zip_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include "ir/diagnostics.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

constexpr int64_t kMostEntries = 100'000;
constexpr uint16_t kFirstDosDate = (0 << 9) | (1 << 5) | 1;  // 1980-01-01

struct ZipError {
  zip_error_t error;
  ZipError() { zip_error_init(&error); }
  ~ZipError() { zip_error_fini(&error); }
  const char* text() { return zip_error_strerror(&error); }
};

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

struct ZipArchive::Handle {
  zip_t* zip = nullptr;
  ~Handle() {
    if (zip) zip_discard(zip);
  }
};

ZipArchive::ZipArchive(std::span<const std::byte> bytes, const std::string& name,
                       ExpansionLimit limit)
    : what_(name + ": not a valid zip archive"), handle_(std::make_unique<Handle>()) {
  constexpr size_t kSmallest = 22;  // the record of the end; libzip takes no bytes as an archive
  if (bytes.size() < kSmallest) {
    throw CompileError(fmt::format("{}: {} bytes are too few", what_, bytes.size()));
  }
  ZipError error;
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error.error);
  if (source) handle_->zip = zip_open_from_source(source, ZIP_RDONLY, &error.error);
  if (!handle_->zip) {
    if (source) zip_source_free(source);
    throw CompileError(fmt::format("{}: {}", what_, error.text()));
  }
  list_entries(limit.allowed(bytes.size()));
}

ZipArchive::~ZipArchive() = default;

void ZipArchive::list_entries(uint64_t allowed) {
  const int64_t count = zip_get_num_entries(handle_->zip, 0);
  if (count > kMostEntries) {
    throw CompileError(fmt::format("{}: {} entries, the limit is {}", what_, count, kMostEntries));
  }
  uint64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    zip_stat_t status;
    constexpr uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(handle_->zip, static_cast<uint64_t>(i), 0, &status) != 0 ||
        (status.valid & kNeeded) != kNeeded || status.encryption_method != ZIP_EM_NONE) {
      throw CompileError(fmt::format("{}: entry {} cannot be read", what_, i));
    }
    if (__builtin_add_overflow(total, status.size, &total) || total > allowed) {
      throw CompileError(fmt::format("{}: it unpacks to more than {} bytes", what_, allowed))
          .help("store the arrays uncompressed if the file is to be trusted");
    }
    by_name_.emplace(status.name, entries_.size());
    entries_.push_back({status.name, status.size, static_cast<uint64_t>(i)});
  }
}

const ZipArchive::Entry* ZipArchive::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::vector<std::byte> ZipArchive::read(const Entry& entry) const {
  const std::unique_ptr<zip_file_t, CloseEntry> file(zip_fopen_index(handle_->zip, entry.index, 0));
  if (!file) {
    throw CompileError(
        fmt::format("{}: entry '{}': {}", what_, entry.name, zip_strerror(handle_->zip)));
  }
  std::vector<std::byte> bytes(entry.size + 1);  // one more: reading the end checks the CRC
  uint64_t used = 0;
  while (used < bytes.size()) {
    const int64_t got = zip_fread(file.get(), bytes.data() + used, bytes.size() - used);
    if (got < 0) {
      throw CompileError(
          fmt::format("{}: entry '{}': {}", what_, entry.name, zip_file_strerror(file.get())));
    }
    if (got == 0) break;
    used += static_cast<uint64_t>(got);
  }
  if (used != entry.size) {
    throw CompileError(fmt::format("{}: entry '{}' unpacks to {} {} bytes", what_, entry.name,
                                   used > entry.size ? "more than" : "fewer than", entry.size));
  }
  bytes.resize(used);
  return bytes;
}

std::vector<std::byte> zip_bytes(
    const std::vector<std::pair<std::string, std::vector<std::byte>>>& entries) {
  ZipError error;
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error.error);
  if (!target) internal_error("libzip: {}", error.text());
  zip_source_keep(target);
  const std::unique_ptr<zip_source_t, decltype(&zip_source_free)> keep(target, zip_source_free);
  zip_t* zip = zip_open_from_source(target, ZIP_TRUNCATE, &error.error);
  if (!zip) internal_error("libzip: {}", error.text());
  for (const auto& [name, bytes] : entries) {
    zip_source_t* content = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    const int64_t index = zip_file_add(zip, name.c_str(), content, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      const std::string reason = zip_strerror(zip);
      zip_source_free(content);
      zip_discard(zip);
      throw CompileError(fmt::format("cannot write entry '{}' of a zip archive: {}", name, reason));
    }
    zip_set_file_compression(zip, static_cast<uint64_t>(index), ZIP_CM_STORE, 0);
    zip_file_set_dostime(zip, static_cast<uint64_t>(index), 0, kFirstDosDate, 0);
  }
  if (zip_close(zip) != 0) {
    const std::string reason = zip_strerror(zip);
    zip_discard(zip);
    internal_error("libzip: {}", reason);
  }
  zip_stat_t status;
  zip_source_stat(target, &status);
  std::vector<std::byte> bytes(status.size);
  zip_source_open(target);
  const int64_t got = zip_source_read(target, bytes.data(), bytes.size());
  zip_source_close(target);
  if (got != static_cast<int64_t>(bytes.size())) internal_error("libzip: archive of {} bytes", got);
  return bytes;
}

}  // namespace ag
