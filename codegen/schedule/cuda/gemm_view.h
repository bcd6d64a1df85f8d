// A contraction, and what is elementwise behind it, as one batched matrix product:
//
//   sum(batch, row, column) = Σ over depth  left(batch, row, depth) · right(batch, depth, column)
//
// Each of the four indices is a number of several digits, outermost first: the columns of a
// convolution are (image, y, x), its depth is (channel, tap y, tap x). The place of an element in
// memory is an affine function of the digits; an implicit GEMM is no more than that. A product of
// matrices has one digit for each index and one for each batch axis, and neighbouring digits that
// every tensor walks evenly become one: a 1x1 convolution is a product of matrices.
#pragma once

#include <optional>
#include <vector>

#include "codegen/schedule/choose.h"

namespace ag {

enum class GemmIndex : uint8_t { batch, row, column, depth };

struct GemmDigit {
  GemmIndex of;
  int64_t extent;
};

// Σ factor · digit + constant
struct Affine {
  std::vector<int64_t> factors;  // one per digit
  int64_t constant = 0;

  bool operator==(const Affine&) const = default;
};

// A position along an axis that may miss the tensor: an element is there where the position is a
// multiple of `dilation`, its quotient in [0, extent); it is `stride` elements behind the one
// before.
struct GemmWindow {
  Affine position;
  int64_t dilation = 1, extent = 0, stride = 0;
};

// An element of a buffer, in elements from the first; zero outside of its windows.
struct GemmAccess {
  int parameter = 0;  // of the kernel's function
  DType dtype = DType::f32;
  bool aligned = false;  // the first element lies at a multiple of 16 bytes
  Affine offset;
  std::vector<GemmWindow> windows;
};

// A value at one position of the result, computed from earlier ones.
struct GemmStep {
  enum class Kind : uint8_t { sum, load, node };
  Kind kind = Kind::node;
  int node = -1;              // of the body
  int access = -1;            // of a load
  std::vector<int> operands;  // steps, of a node
};

struct GemmStore {
  int access, step;
};

// A side of the product. Where it has steps, the last of them computes it from what they load, one
// element of `access` and others; else it is stored.
struct GemmOperand {
  int access = 0;
  std::vector<GemmStep> steps;

  bool is_stored() const { return steps.empty(); }
};

struct GemmView {
  Graph body;
  std::vector<GemmDigit> digits;  // those of an index are neighbours, outermost first
  std::vector<GemmAccess> accesses;
  GemmOperand left, right;
  std::vector<GemmStep> steps;
  std::vector<GemmStore> stores;

  // Product of the digits of an index.
  int64_t extent(GemmIndex index) const;
  int64_t rows() const { return extent(GemmIndex::row); }
  int64_t columns() const { return extent(GemmIndex::column); }
  int64_t depth() const { return extent(GemmIndex::depth); }
  int64_t batch() const { return extent(GemmIndex::batch); }
  // What an element of a side takes in a panel: as it is stored, or f32 where it is computed.
  DType panel_dtype(const GemmOperand& side) const;
  // How far apart neighbours along an index are in memory; 0 where they are equal.
  int64_t stride_along(int access, GemmIndex index) const;

  // nullopt where the body is anything else than one contraction of operands of f32, f16 or bf16
  // with elementwise ops of these, or of truths, behind it; in front of it, where no position may
  // miss the operand.
  static std::optional<GemmView> of(const Graph& body, std::span<const BufferForm> operands,
                                    std::span<const BufferForm> results);
};

// Whether codegen/nvptx computes this op elementwise: of f32, which f16 and bf16 are computed in,
// or of truths.
bool is_gemm_step(const OpDef& op);

}  // namespace ag
