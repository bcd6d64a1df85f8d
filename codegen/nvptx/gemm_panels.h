// The panels of a product's operands in shared memory.
#pragma once

#include "codegen/kernel/request.h"
#include "codegen/nvptx/gemm_address.h"
#include "codegen/schedule/cuda/gemm.h"

namespace ag::nvptx {

inline constexpr int64_t kGroup = 4;  // f32 of one load from shared memory

inline int64_t tiles_of(int64_t extent, int64_t tile) { return (extent + tile - 1) / tile; }

// A product, as its kernels see it.
struct GemmProblem {
  const KernelRequest& request;
  const GemmView& view;
  const GemmTile& tile;

  int64_t results() const { return view.batch() * view.rows() * view.columns(); }
  int64_t panels() const { return tiles_of(view.depth(), tile.depth); }
  int parameters() const {
    return static_cast<int>(request.operands.size() + request.results.size());
  }
  // Parameters whose memory nothing else reaches, with the scratch behind them.
  std::vector<bool> exclusive() const;
};

// One operand's panels, and this thread's share in copying them: the elements at some rows (or
// columns) by some steps of the depth.
class GemmPanels {
 public:
  struct Side {
    const GemmAccess& access;
    GemmIndex index;       // row or column
    int64_t width, pitch;  // of a panel
    bool by_depth;
    std::string name;
  };

  // `first`: the number of the block's first row, or column; `batch`: its part of addresses.
  GemmPanels(DeviceKernel& kernel, const GemmProblem& problem, Side side, llvm::Value* first,
             const AddressPart& batch);

  // Starts to copy panel `panel` of the depth, of which there are steps up to `end`, into `slot`.
  void copy(llvm::Value* panel, llvm::Value* slot, llvm::Value* end);

  // Groups of four neighbours at `step` of the panel in `slot`, from `first`, `apart` elements from
  // each other.
  std::vector<llvm::Value*> read(llvm::Value* slot, int64_t step, llvm::Value* first,
                                 int64_t groups, int64_t apart);

 private:
  struct Line {
    llvm::Value* local;  // in the panel
    AddressPart part;
    llvm::Value* exists;  // null: always
  };
  void share_out();
  int64_t panel_elements() const { return problem_.tile.depth * side_.pitch; }

  DeviceKernel& kernel_;
  const GemmProblem& problem_;
  Side side_;
  AddressPart batch_;
  llvm::Value* memory_;
  std::vector<llvm::Value*> across_, deep_;  // this thread's lines and steps, in the panel
  std::vector<Line> lines_;
};

}  // namespace ag::nvptx
