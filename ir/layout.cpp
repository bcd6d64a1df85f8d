#include "ir/layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/diagnostics.h"

namespace ag {

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

Layout Layout::permuted(const std::vector<int>& order) {
  std::vector<LayoutDim> dims;
  for (int axis : order) dims.push_back({axis, 0});
  bool identity = std::is_sorted(order.begin(), order.end());
  return identity ? Layout() : Layout(std::move(dims));
}

Layout Layout::blocked(int rank, int axis, int64_t block) {
  std::vector<LayoutDim> dims;
  for (int i = 0; i < rank; ++i) dims.push_back({i, 0});
  dims.push_back({axis, block});
  return Layout(std::move(dims));
}

Layout Layout::parse(std::string_view tag, int rank) {
  auto bad = [&](std::string_view why) {
    return CompileError(fmt::format("layout: '{}' is not a layout of rank {}: {}", tag, rank, why))
        .help(
            "write axes as letters, blocked axes as capitals, blocks as size and letter:"
            " aBcd16b");
  };
  std::vector<LayoutDim> dims;
  std::vector<int> seen(rank, 0), blocked(rank, 0);
  int64_t all_blocks = 1;
  for (size_t i = 0; i < tag.size();) {
    int64_t block = 0;
    while (i < tag.size() && tag[i] >= '0' && tag[i] <= '9') {
      block = block * 10 + (tag[i++] - '0');
      if (block > 4096) throw bad("a block is at most 4096");
    }
    if (i == tag.size()) throw bad("a block size has no axis");
    char letter = tag[i++];
    bool capital = letter >= 'A' && letter <= 'Z';
    int axis = capital ? letter - 'A' : letter - 'a';
    if (axis < 0 || axis >= rank) throw bad(fmt::format("no axis '{}'", letter));
    if (block == 0) {
      if (seen[axis]) throw bad(fmt::format("axis '{}' stands twice", letter));
      seen[axis] = capital ? 2 : 1;
    } else {
      if (block < 2 || capital) throw bad("a block is a size of at least 2 and a small letter");
      blocked[axis] = 1;
      all_blocks *= block;
      if (all_blocks > 65536) throw bad("the blocks together are above 65536");
    }
    dims.push_back({axis, block});
  }
  for (int axis = 0; axis < rank; ++axis) {
    if (!seen[axis]) throw bad(fmt::format("axis '{}' is missing", static_cast<char>('a' + axis)));
    if ((seen[axis] == 2) != (blocked[axis] == 1))
      throw bad("capitals mark exactly the blocked axes");
  }
  Layout layout(std::move(dims));
  return layout.dims(rank) == Layout().dims(rank) ? Layout() : layout;
}

std::vector<LayoutDim> Layout::dims(int rank) const {
  if (!dims_.empty()) return dims_;
  std::vector<LayoutDim> row_major;
  for (int axis = 0; axis < rank; ++axis) row_major.push_back({axis, 0});
  return row_major;
}

std::string Layout::tag(int rank) const {
  std::string text;
  for (const LayoutDim& dim : dims(rank)) {
    bool capital = dim.block == 0 && block_of(dim.axis) > 1;
    if (dim.block != 0) text += std::to_string(dim.block);
    text += static_cast<char>((capital ? 'A' : 'a') + dim.axis);
  }
  return text;
}

int64_t Layout::block_of(int axis) const {
  int64_t block = 1;
  for (const LayoutDim& dim : dims_) {
    if (dim.axis == axis && dim.block != 0) block *= dim.block;
  }
  return block;
}

Shape Layout::physical_shape(const Shape& logical) const {
  Shape physical;
  for (const LayoutDim& dim : dims(static_cast<int>(logical.size()))) {
    int64_t block = block_of(dim.axis);
    physical.push_back(dim.block != 0 ? dim.block : (logical[dim.axis] + block - 1) / block);
  }
  return physical;
}

int64_t Layout::stored_count(const Shape& logical) const {
  return element_count(physical_shape(logical));
}

bool Layout::has_padding(const Shape& logical) const {
  for (size_t axis = 0; axis < logical.size(); ++axis) {
    if (logical[axis] % block_of(static_cast<int>(axis)) != 0) return true;
  }
  return false;
}

}  // namespace ag
