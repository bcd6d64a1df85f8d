#include "ir/file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "ir/diagnostics.h"
#include "ir/suggestion.h"

namespace ag {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FileHandle = std::unique_ptr<std::FILE, CloseFile>;

// A file of the same kind beside the missing one may have been meant.
std::string help_for_missing(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::path wanted(path);
  const fs::path folder = wanted.has_parent_path() ? wanted.parent_path() : fs::path(".");
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == wanted.extension())
      names.push_back(at->path().filename().string());
  }
  if (error) return fmt::format("{} is no folder that can be read", folder.string());
  std::sort(names.begin(), names.end());
  const std::string closest = closest_name(wanted.filename().string(), names);
  return closest.empty() ? "check the file's name and folder"
                         : fmt::format("did you mean '{}'?", closest);
}

[[noreturn]] void cannot_read(const std::string& path, int error) {
  throw CompileError(fmt::format("cannot read {}: {}", path, std::strerror(error)))
      .help(error == ENOENT ? help_for_missing(path) : "name a file that you may read");
}

std::vector<std::byte> read_all(std::FILE* file, size_t expected, const std::string& path) {
  std::vector<std::byte> bytes(expected + 1);  // one more, so that the end is seen in one read
  size_t used = 0;
  while (const size_t got = std::fread(bytes.data() + used, 1, bytes.size() - used, file)) {
    used += got;
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
  }
  if (std::ferror(file)) cannot_read(path, errno);
  bytes.resize(used);
  return bytes;
}

// Pipes and devices such as /dev/stdout are written in place: a rename would replace them.
bool is_device(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

// The rename itself lasts only once the directory is on the disk.
void sync_directory_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const FileHandle handle(std::fopen(directory.c_str(), "r"));
  if (handle) fsync(fileno(handle.get()));
}

}  // namespace

std::vector<std::byte> read_file(const std::string& path) {
  const FileHandle file(std::fopen(path.c_str(), "rb"));
  if (!file) cannot_read(path, errno);
  struct stat status {};
  if (fstat(fileno(file.get()), &status) != 0) cannot_read(path, errno);
  if (S_ISDIR(status.st_mode)) {
    throw CompileError(fmt::format("cannot read {}: it is a directory", path))
        .help("name a file in it");
  }
  const size_t expected = S_ISREG(status.st_mode) ? static_cast<size_t>(status.st_size) : 4096;
  return read_all(file.get(), expected, path);
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  temporary_ = is_device(path_) ? path_ : fmt::format("{}.partial-{}", path_, getpid());
  file_ = std::fopen(temporary_.c_str(), "wb");
  if (!file_) fail("write", errno);
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  if (temporary_ != path_) std::remove(temporary_.c_str());
}

void AtomicFile::fail(const char* action, int error) {
  throw CompileError(fmt::format("cannot {} {}: {}", action, path_, std::strerror(error)))
      .help("choose an output path in a directory you may write to, with space left");
}

void AtomicFile::write(const void* data, size_t size) {
  if (size != 0 && std::fwrite(data, 1, size, file_) != size) fail("write", errno);
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0) fail("write", errno);
  // Pipes and devices cannot be synchronised; they report EINVAL.
  if (fsync(fileno(file_)) != 0 && errno != EINVAL) fail("write", errno);
  if (temporary_ != path_ && std::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail("replace", errno);
  std::fclose(file_);
  file_ = nullptr;
  sync_directory_of(path_);
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::string& path, const std::string& text) {
  write_file(path, std::as_bytes(std::span(text)));
}

}  // namespace ag
