// The panels of a product's operands in shared memory.
#pragma once

#include "codegen/kernel/request.h"
#include "codegen/nvptx/gemm_address.h"
#include "codegen/schedule/cuda/gemm.h"

namespace ag::nvptx {

inline constexpr int64_t kGroup = 4;  // elements of one load from shared memory

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
// columns) by some steps of the depth, `copy` neighbours at a time.
//
// Neighbours that stay neighbours in the panel go there without registers (cp.async), up to
// `stages - 1` panels ahead of the sums. The others, single elements of two bytes, which no such
// copy moves, and what is computed on the way are loaded when the copy starts, and computed and
// stored when it finishes, behind the sums of one panel.
class GemmPanels {
 public:
  struct Side {
    const GemmOperand& operand;
    GemmIndex index;       // row or column
    int64_t width, pitch;  // of a panel
    bool by_depth;
    int64_t copy;
    std::string name;
  };

  // `first`: the number of the block's first row, or column; `batch`: the batch's part of the
  // address of every access.
  GemmPanels(DeviceKernel& kernel, const GemmProblem& problem, Side side, llvm::Value* first,
             const std::vector<AddressPart>& batch);

  // Starts to copy panel `panel` of the depth, of which there are steps up to `end`, into `slot`;
  // finish_copy ends what the last start began.
  void start_copy(llvm::Value* panel, llvm::Value* slot, llvm::Value* end);
  void finish_copy();

  // Groups of four neighbours at `step` of the panel in `slot`, from `first`, `apart` elements from
  // each other.
  std::vector<llvm::Value*> read(llvm::Value* slot, int64_t step, llvm::Value* first,
                                 int64_t groups, int64_t apart);

 private:
  struct Line {
    llvm::Value* local;              // in the panel
    std::vector<AddressPart> parts;  // per access of this side
    llvm::Value* exists;             // null: always
  };
  // Loaded, from every access, and to be stored from `place` of the panels on, where it exists.
  struct Pending {
    std::vector<llvm::Value*> elements;
    llvm::Value *exists, *place;
  };
  void share_out();
  std::vector<AddressPart> parts_of(const DigitValues& digits);
  void start_each(llvm::Value* panel, llvm::Value* slot, llvm::Value* end);
  // Starts to copy what is at `places` of the accesses to `place` of the panels.
  void start(const std::vector<ElementPlace>& places, llvm::Value* exists, llvm::Value* place);
  // What a panel takes of it: one element, or `copy` neighbours.
  llvm::Value* finished(const Pending& pending);
  llvm::Value* or_zeros(llvm::Value* exists, llvm::Value* elements);
  int64_t panel_elements() const { return problem_.tile.depth * side_.pitch; }
  DType dtype() const { return problem_.view.panel_dtype(side_.operand); }
  int64_t bytes() const { return side_.copy * static_cast<int64_t>(size_of(dtype())); }
  bool is_asynchronous() const {
    return side_.operand.is_stored() && bytes() >= 4 && (side_.copy == 1 || !side_.by_depth);
  }

  DeviceKernel& kernel_;
  const GemmProblem& problem_;
  Side side_;
  const std::vector<AddressPart>& batch_;
  std::vector<int> accesses_;  // of this side
  llvm::Value* memory_ = nullptr;
  std::vector<llvm::Value*> across_, deep_;  // this thread's lines and steps, in the panel: of
                                             // each copy's first element
  llvm::Value* takes_part_ = nullptr;  // whether there is a copy for this thread; null: always
  std::vector<Line> lines_;
  std::vector<Pending> pending_;
};

}  // namespace ag::nvptx
