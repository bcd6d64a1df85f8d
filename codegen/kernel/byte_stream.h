// Length-prefixed little-endian byte streams: the worker protocol, request hashes and cache
// entries.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ag {

class ByteWriter {
 public:
  ByteWriter& integer(int64_t value);
  ByteWriter& real(double value);
  ByteWriter& text(std::string_view value);  // length, then bytes
  ByteWriter& integers(const std::vector<int64_t>& values);

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads what ByteWriter wrote. Every read is checked against the end of the bytes: the first one
// that does not fit makes ok() false, and it and all later ones return zero or empty values.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  int64_t integer();
  double real();
  std::string text();
  std::vector<int64_t> integers();
  // Number of items that follow; never more than the bytes that are left.
  size_t count();

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view take(size_t size);

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace ag
