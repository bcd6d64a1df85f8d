// Inputs for fuzz tests: random bytes, and valid files with a few bytes or stretches changed. All
// are functions of a seed, so that a failure is repeated by its number.
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace ag::test {

using FuzzBytes = std::vector<std::byte>;

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  // Random bytes of length 0 … 300, behind a random part of `start`'s beginning.
  FuzzBytes random_bytes(const FuzzBytes& start) {
    FuzzBytes bytes(start.begin(), start.begin() + below(std::min<size_t>(start.size(), 24) + 1));
    for (size_t i = below(300); i > 0; --i) bytes.push_back(byte());
    return bytes;
  }

  // `seed` with one to four changes.
  FuzzBytes mutated(FuzzBytes bytes, const std::vector<FuzzBytes>& seeds) {
    for (size_t i = 1 + below(4); i > 0; --i) change(bytes, seeds);
    return bytes;
  }

  size_t below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

 private:
  std::byte byte() { return static_cast<std::byte>(random_() & 255); }

  void change(FuzzBytes& bytes, const std::vector<FuzzBytes>& seeds) {
    if (bytes.empty()) return bytes.push_back(byte());
    using Change = void (Mutator::*)(FuzzBytes&, const std::vector<FuzzBytes>&);
    static constexpr Change kChanges[] = {
        &Mutator::flip_bit, &Mutator::set_byte, &Mutator::set_extreme, &Mutator::truncate,
        &Mutator::remove,   &Mutator::repeat,   &Mutator::splice,      &Mutator::add_to_digit};
    (this->*kChanges[below(std::size(kChanges))])(bytes, seeds);
  }

  void flip_bit(FuzzBytes& bytes, const std::vector<FuzzBytes>&) {
    bytes[below(bytes.size())] ^= static_cast<std::byte>(1 << below(8));
  }
  void set_byte(FuzzBytes& bytes, const std::vector<FuzzBytes>&) {
    bytes[below(bytes.size())] = byte();
  }
  // A stretch of 1, 2, 4 or 8 bytes becomes all zeros, all ones, or the largest signed number.
  void set_extreme(FuzzBytes& bytes, const std::vector<FuzzBytes>&) {
    const size_t at = below(bytes.size());
    const size_t size = std::min<size_t>(size_t{1} << below(4), bytes.size() - at);
    const std::byte fill = below(2) ? std::byte{0} : std::byte{255};
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), size, fill);
    if (below(3) == 0) bytes[at + size - 1] = std::byte{0x7f};
  }
  void truncate(FuzzBytes& bytes, const std::vector<FuzzBytes>&) {
    bytes.resize(below(bytes.size()));
  }
  void remove(FuzzBytes& bytes, const std::vector<FuzzBytes>&) {
    const auto [from, to] = stretch(bytes);
    bytes.erase(bytes.begin() + from, bytes.begin() + to);
  }
  void repeat(FuzzBytes& bytes, const std::vector<FuzzBytes>&) {
    const auto [from, to] = stretch(bytes);
    const FuzzBytes piece(bytes.begin() + from, bytes.begin() + to);
    bytes.insert(bytes.begin() + to, piece.begin(), piece.end());
  }
  void splice(FuzzBytes& bytes, const std::vector<FuzzBytes>& seeds) {
    const FuzzBytes& other = seeds[below(seeds.size())];
    if (other.empty()) return;
    const auto [from, to] = stretch(other);
    const auto at = static_cast<ptrdiff_t>(below(bytes.size()));
    bytes.insert(bytes.begin() + at, other.begin() + from, other.begin() + to);
  }
  // Text formats: another digit somewhere.
  void add_to_digit(FuzzBytes& bytes, const std::vector<FuzzBytes>&) {
    const size_t start = below(bytes.size());
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::byte& b = bytes[(start + i) % bytes.size()];
      if (b < std::byte{'0'} || b > std::byte{'9'}) continue;
      b = static_cast<std::byte>('0' + below(10));
      return;
    }
  }

  std::pair<ptrdiff_t, ptrdiff_t> stretch(const FuzzBytes& bytes) {
    const size_t from = below(bytes.size());
    return {from, from + 1 + below(std::min<size_t>(64, bytes.size() - from))};
  }

  std::mt19937_64 random_;
};

}  // namespace ag::test
