// A kernel under construction: its body graph as Halide Funcs, between border Funcs that map
// logical coordinates to planned buffers. codegen/lower fills it in, codegen/schedule schedules it.
#pragma once

#include <Halide.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codegen/kernel/request.h"
#include "codegen/target.h"
#include "ir/graph.h"

namespace ag::lower {

// A reduction (or several over one domain, as a tuple): func(kept axes) ⊕= over reduced axes.
struct Reduction {
  Halide::Func func;
  std::vector<int> nodes;               // of the body, in the order of the tuple's elements
  std::vector<int> axes;                // reduced axes of the operand, innermost first
  std::vector<Halide::RVar> variables;  // one per entry of `axes`
  Halide::Func lanes;    // partial results per vector lane, when the schedule makes them
  int64_t terms = 1;     // of one result
  bool ordered = false;  // its updates meet at elements that data names, or their order decides
};

// A sum of products: func(result) += rhs · lhs over one channel-like axis and the taps of a window.
struct Contraction {
  Halide::Func func;
  int node = -1;        // of the body
  Halide::RDom domain;  // channel and taps
  Halide::RVar channel;
  int64_t channels = 0;
  std::vector<Halide::RVar> taps;  // innermost spatial axis first; none for a matrix product
  Shape tap_extents;               // in the order of `taps`
  // The left operand with zeros around it, where its buffer has no halo that is wide enough; in its
  // own logical coordinates. Not defined where the contraction reads the operand itself.
  Halide::Func padded;
  // The left operand where the body computes it (a prologue): (channel in a block, x, y, block,
  // image). Not defined where the contraction reads a stored operand.
  Halide::Func prologue;
  int64_t prologue_block = 0;  // channels of a block
};

// Winograd's steps (ir/ops/winograd.h), each in the coordinates of tiles; the sum over channels is
// the kernel's contraction.
struct Winograd {
  // Of patches and products: (channel, tile_x, tile_y, outer…, column, row). `outer` are the
  // positions along the spatial axes in front of the two with tiles, innermost first, then the
  // image.
  struct Variables {
    Halide::Var channel{"channel"}, tile_x{"tile_x"}, tile_y{"tile_y"}, column{"column"},
        row{"row"};
    std::vector<Halide::Var> outer;
  };
  Variables variables;
  // Of a result: column and row in its tile, its phase along both axes, where a dilation puts
  // several tiles into each other, and the span of these tiles.
  std::vector<Halide::Var> output_position;
  Halide::Func input;  // zeros around it; logical coordinates
  Halide::Func input_rows{"input_rows"}, patches{"patches"};
  Halide::Func products{"products"};
  Halide::Func output_rows{"output_rows"}, output{"output"};
};

// The steps of its gradient towards weights. The sum over tiles, (output, input, column, row), is
// the kernel's contraction.
struct WinogradBackward {
  struct Variables {
    // Of transformed tiles: (lane, tile, block, column, row), a channel being block · lanes + lane.
    Halide::Var lane{"lane"}, tile{"tile"}, block{"block"}, column{"column"}, row{"row"};
    // Of sums and weights.
    Halide::Var output{"output"}, input{"input"}, tap_x{"tap_x"}, tap_y{"tap_y"};
  };
  Variables variables;
  int input_block = 1, output_block = 1;  // lanes
  Halide::Func input, gradient;           // the operands, zeros around them; logical coordinates
  Halide::Func input_rows{"input_rows"}, patches{"patches"};
  Halide::Func gradient_rows{"gradient_rows"}, gradients{"gradients"};
  Halide::Func weight_rows{"weight_rows"};  // (output, column, tap_y, input)
  Halide::Func weights{"weights"};          // (output, tap_x, tap_y, input)
};

// Halide's argument order is innermost first; ours is logical (outermost first). A Func of a value
// with axes (n, c, y, x) is therefore f(x, y, c, n).
struct Kernel {
  Graph body;
  std::vector<BufferForm> operand_forms, result_forms;
  std::vector<int64_t> in_place;  // per result: the operand whose buffer it overwrites, or -1

  std::vector<Halide::ImageParam> operands;       // physical, one per leaf of the body
  std::vector<std::vector<Halide::Func>> values;  // logical: [node][result]
  std::vector<Reduction> reductions;
  std::vector<Contraction> contractions;
  std::optional<Winograd> winograd;
  std::optional<WinogradBackward> winograd_backward;
  // G w of winograd_weights, in the op's logical coordinates; its column is one of w. Not defined
  // where the kernel has no such op.
  Halide::Func weight_rows;
  // What is computed and stored before everything else, with its extents, innermost first: values
  // that two sums must see alike, to the last bit.
  struct Stored {
    Halide::Func func;
    std::vector<int> extents;
  };
  std::vector<Stored> stored;
  std::vector<Halide::Func> results;  // physical, one per output of the body
  // The results as they are computed together: equal to `results`, or one tuple-valued Func.
  std::vector<Halide::Func> stages;
  Halide::Func fresh;  // what a stage stores, when all of it must be computed before (see in_place)

  // Set by a schedule: every load inside an aligned vector may read all of it (see LaneLoads).
  bool reads_whole_vectors = false;
  // Set by a schedule: vectors of which half the lanes are padding may be halved (see HalfVectors).
  bool halves_padded_vectors = false;
  // Set by a schedule: how many vectors ahead an operand is asked for, by its buffer's name (see
  // PrefetchWeights).
  std::string prefetched;
  int prefetch_vectors = 0;
  // Set by a schedule: Funcs whose parallel loops are made one (see JoinTasks).
  struct JoinedTasks {
    std::string first, second;
  };
  std::optional<JoinedTasks> joined_tasks;

  Target target;

  const TensorType& result_type(size_t i) const { return result_forms[i].type; }
  // Whether a result overwrites an operand: then each of its elements must be computed once only.
  bool overwrites_operand() const {
    return std::any_of(in_place.begin(), in_place.end(),
                       [](int64_t operand) { return operand >= 0; });
  }
  // Loop variables of physical results, innermost first: the names of all result Funcs.
  static Halide::Var physical(int i) { return Halide::Var("p" + std::to_string(i)); }
  // Extents of result i's physical dimensions, innermost first.
  std::vector<int> physical_extents(size_t i) const;
};

// The steps of Winograd's algorithms around the contraction, in the order they are computed; none
// where the kernel has no such op.
std::vector<Halide::Func> winograd_steps(const Kernel& kernel);

// The type values of a dtype are computed in: f16 and bf16 in f32, bool as one bit.
Halide::Type compute_type(DType dtype);
// The type they are stored in.
Halide::Type stored_type(DType dtype);
// The type Halide is told a buffer holds: for CUDA the bits of a bf16, since Halide 21 writes no
// PTX for bfloats.
Halide::Type buffer_type(const Target& target, DType dtype);
// A value as its buffer holds it: rounded to nearest even; NaN stays NaN.
Halide::Expr as_stored(const Target& target, DType dtype, const Halide::Expr& value);
// What a buffer holds, in the type it is computed in.
Halide::Expr as_computed(const Target& target, DType dtype, const Halide::Expr& stored);

// Loop variables of a value of the given rank, in Halide's order; axis a is variables[rank - 1 -
// a].
std::vector<Halide::Var> logical_variables(int rank);

// Builds everything up to, and without, the schedule.
Kernel lower(const KernelRequest& request);

// Halide's view of a planned buffer: bounds and strides fixed. The second and later buffers of a
// tuple take their bounds from the first.
void fix_dimensions(Halide::OutputImageParam buffer, const BufferForm& form,
                    bool with_bounds = true);
// Physical coordinates (innermost first) of a logical position (outermost first), and back.
std::vector<Halide::Expr> physical_position(const TensorType& type,
                                            std::span<const Halide::Expr> logical);
std::vector<Halide::Expr> logical_position(const TensorType& type,
                                           std::span<const Halide::Expr> physical);

}  // namespace ag::lower
