// Whole files in and out: reads report the system's reason, writes never leave half a file.
#pragma once

#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace ag {

// The file's bytes. Throws CompileError naming the file and the system's reason.
std::vector<std::byte> read_file(const std::string& path);

// A file being written aside, in the same directory, and renamed over `path` by commit(). Without
// commit() nothing of it stays and an older file at `path` is untouched. Pipes and devices are
// written in place. All errors are CompileErrors with the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }
  // Flushes to the disk and renames; the file is whole or absent even after a power cut.
  void commit();

 private:
  [[noreturn]] void fail(const char* action, int error);

  std::string path_, temporary_;
  std::FILE* file_ = nullptr;
};

void write_file(const std::string& path, std::span<const std::byte> bytes);
void write_file(const std::string& path, const std::string& text);

}  // namespace ag
