// Zip archives in memory (libzip), with limits on what an untrusted one may unpack to.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "frontend/weights/strided.h"

namespace ag {

class ZipArchive {
 public:
  struct Entry {
    std::string name;
    uint64_t size;  // unpacked
    uint64_t index;
  };

  // Lists the entries of `bytes`, which must outlive the archive. Throws CompileError opening with
  // `name` when it is no zip file, has over 100,000 entries, encrypted or nameless ones, or claims
  // to unpack to more than `limit` allows for its size.
  ZipArchive(std::span<const std::byte> bytes, const std::string& name, ExpansionLimit limit);
  ~ZipArchive();

  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(const std::string& name) const;
  // The unpacked bytes, checked against the entry's size and CRC.
  std::vector<std::byte> read(const Entry& entry) const;

 private:
  void list_entries(uint64_t allowed);

  struct Handle;
  std::string what_;
  std::unique_ptr<Handle> handle_;
  std::vector<Entry> entries_;
  std::map<std::string, size_t> by_name_;
};

// A zip archive of stored entries; the same input gives the same bytes at any time.
std::vector<std::byte> zip_bytes(
    const std::vector<std::pair<std::string, std::vector<std::byte>>>& entries);

}  // namespace ag
