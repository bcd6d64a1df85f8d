// Physical order of a tensor's elements.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ag {

using Shape = std::vector<int64_t>;

int64_t element_count(const Shape& shape);

// One physical dimension. `block` is 0 for what remains of the axis after its blocks (extent
// ceil(size / product of the axis's blocks)), else the constant extent of an inner block.
struct LayoutDim {
  int axis = 0;
  int64_t block = 0;
  bool operator==(const LayoutDim&) const = default;
};

// Physical dimensions from outermost to innermost. Written in oneDNN's notation: axes are letters
// in logical order (a = 0), an axis that has a block is a capital, a block is its size and letter:
// a 4-d activation in "nchw16c" is aBcd16b, convolution weights packed by 16 outputs are
// ABcd16b16a. An empty layout is row-major. Lanes of a block beyond the axis's size are padding
// and hold zero.
class Layout {
 public:
  Layout() = default;
  explicit Layout(std::vector<LayoutDim> dims) : dims_(std::move(dims)) {}

  // Throws CompileError when `tag` is not a layout of the given rank.
  static Layout parse(std::string_view tag, int rank);
  // Row-major with `axis` split by `block`, the block innermost: blocked(4, 1, 16) is aBcd16b.
  static Layout blocked(int rank, int axis, int64_t block);
  static Layout permuted(const std::vector<int>& order);

  bool is_row_major() const { return dims_.empty(); }
  // The dimensions, spelled out for row-major too.
  std::vector<LayoutDim> dims(int rank) const;
  std::string tag(int rank) const;

  // Product of the blocks of `axis`; 1 when it has none.
  int64_t block_of(int axis) const;
  // Extents of the physical dimensions, outermost first.
  Shape physical_shape(const Shape& logical) const;
  // Number of stored elements, padding lanes included.
  int64_t stored_count(const Shape& logical) const;
  bool has_padding(const Shape& logical) const;

  bool operator==(const Layout&) const = default;

 private:
  std::vector<LayoutDim> dims_;
};

}  // namespace ag
