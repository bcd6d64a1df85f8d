// A bounds-checked cursor over the bytes of an untrusted file.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "ir/diagnostics.h"

namespace ag {

static_assert(std::endian::native == std::endian::little, "weights are read in host order");

class ByteReader {
 public:
  // `what` opens every message, e.g. "lenet5.npy: not a valid .npy file".
  ByteReader(std::span<const std::byte> bytes, std::string what)
      : bytes_(bytes), what_(std::move(what)) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }
  const std::string& what() const { return what_; }

  // The next `size` bytes, called `part` in the message when there are fewer.
  std::span<const std::byte> take(uint64_t size, std::string_view part) {
    if (size > remaining()) {
      fail("truncated: {} needs {} bytes at offset {}, {} are left", part, size, position_,
           remaining());
    }
    const auto piece = bytes_.subspan(position_, static_cast<size_t>(size));
    position_ += piece.size();
    return piece;
  }
  // A little-endian number.
  template <class T>
  T number(std::string_view part) {
    T value;
    std::memcpy(&value, take(sizeof(T), part).data(), sizeof(T));
    return value;
  }
  std::string_view text(uint64_t size, std::string_view part) {
    const auto piece = take(size, part);
    return {reinterpret_cast<const char*>(piece.data()), piece.size()};
  }
  // Up to and without the next newline, which must come.
  std::string_view line(std::string_view part) {
    const auto rest = bytes_.subspan(position_);
    const void* end = rest.empty() ? nullptr : std::memchr(rest.data(), '\n', rest.size());
    if (!end) fail("truncated: {} at offset {} has no end", part, position_);
    const auto size = static_cast<size_t>(static_cast<const std::byte*>(end) - rest.data());
    position_ += size + 1;
    return {reinterpret_cast<const char*>(rest.data()), size};
  }

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw CompileError(
        fmt::format("{}: {}", what_, fmt::format(format, std::forward<Args>(args)...)))
        .help("the file is damaged, or of another kind: write or fetch it again");
  }

 private:
  std::span<const std::byte> bytes_;
  std::string what_;
  size_t position_ = 0;
};

}  // namespace ag
