// The matrix product of our own for CUDA devices: its parameters and their choice. What it computes
// is a GemmView; codegen/nvptx generates it.
#pragma once

#include "codegen/schedule/cuda/gemm_view.h"

namespace ag {

inline constexpr std::string_view kGemm = "gemm";

// How a block computes a tile of results. Its operands pass through panels in shared memory:
// `depth` steps of the sum by the tile's rows, or columns, `stages` panels in a ring, so that
// copies run ahead of the sums by stages - 1 panels.
struct GemmTile {
  int64_t rows = 64, columns = 64;  // of a block's results
  int64_t depth = 8;                // of a panel
  int64_t thread_rows = 4, thread_columns = 4;
  int64_t stages = 3;
  int64_t parts = 1;  // blocks that share a sum; their sums are added by a second kernel
  // Neighbouring threads copy neighbours along the depth, not along rows or columns.
  bool left_by_depth = false, right_by_depth = false;
  // Neighbours in memory that one copy moves (see widest_copy).
  int64_t left_copy = 1, right_copy = 1;

  int64_t threads() const { return rows / thread_rows * (columns / thread_columns); }
  // Elements between rows of a panel. Copies along the depth write a column of a panel; the gap
  // sends its elements to different banks.
  int64_t left_pitch() const { return rows + (left_by_depth ? kGap : 0); }
  int64_t right_pitch() const { return columns + (right_by_depth ? kGap : 0); }
  int64_t shared_bytes(const GemmView& view) const;

  static constexpr int64_t kGap = 4;

  Schedule schedule() const;
  static GemmTile from(const Schedule& schedule);
  // Why a block of this product cannot be made so; empty: it can.
  std::string problem(const GemmView& view) const;
};

// How many neighbours along an index one copy of at most 16 bytes may move, whatever the other
// indices are: they lie side by side, exist together, and start at a multiple of their size. One of
// a side that is computed.
int64_t widest_copy(const GemmView& view, const GemmOperand& side, GemmIndex along);

// The best tile for a product on a device of `multiprocessors`, by a model of its time; nullopt
// where the product is too small or too narrow for panels.
std::optional<GemmTile> choose_gemm_tile(const GemmView& view);

}  // namespace ag
