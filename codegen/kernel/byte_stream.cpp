#include "codegen/kernel/byte_stream.h"

#include <bit>

namespace ag {

ByteWriter& ByteWriter::integer(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(bits >> shift & 0xff);
  return *this;
}

ByteWriter& ByteWriter::real(double value) { return integer(std::bit_cast<int64_t>(value)); }

ByteWriter& ByteWriter::text(std::string_view value) {
  integer(static_cast<int64_t>(value.size()));
  bytes_ += value;
  return *this;
}

ByteWriter& ByteWriter::integers(const std::vector<int64_t>& values) {
  integer(static_cast<int64_t>(values.size()));
  for (int64_t value : values) integer(value);
  return *this;
}

std::string_view ByteReader::take(size_t size) {
  ok_ = ok_ && size <= bytes_.size();
  if (!ok_) return {};
  const std::string_view taken = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return taken;
}

int64_t ByteReader::integer() {
  uint64_t bits = 0;
  int shift = 0;
  for (char byte : take(8)) {
    bits |= static_cast<uint64_t>(static_cast<unsigned char>(byte)) << shift;
    shift += 8;
  }
  return static_cast<int64_t>(bits);
}

double ByteReader::real() { return std::bit_cast<double>(integer()); }

size_t ByteReader::count() {
  const int64_t value = integer();
  ok_ = ok_ && value >= 0 && static_cast<uint64_t>(value) <= bytes_.size();
  return ok_ ? static_cast<size_t>(value) : 0;
}

std::string ByteReader::text() {
  const size_t size = count();
  return std::string(take(size));
}

std::vector<int64_t> ByteReader::integers() {
  std::vector<int64_t> values(count());
  for (int64_t& value : values) value = integer();
  return values;
}

}  // namespace ag
