#include "codegen/schedule/cpu/anchor.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "codegen/schedule/cpu/loops.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"

namespace ag::schedule {
namespace {

[[noreturn]] void refuse(std::string_view template_name, const std::string& why) {
  throw CompileError(fmt::format("schedule: {} {}", template_name, why))
      .help("schedule this kernel with contraction_plain");
}

// Which of the body's leaves operand i of the contraction is; none when the body computes it.
std::optional<size_t> leaf_of(const lower::Kernel& kernel, const lower::Contraction& contraction,
                              size_t i) {
  const std::vector<Value> leaves = body_leaves(kernel.body);
  const Value operand = kernel.body.node(contraction.node).operands[i];
  const auto leaf = std::find(leaves.begin(), leaves.end(), operand);
  if (leaf == leaves.end()) return std::nullopt;
  return static_cast<size_t>(leaf - leaves.begin());
}

// The block that loops over the contraction's channels are split by, so that both operands are
// indexed without division in the innermost: the largest part of the larger of theirs that divides.
int64_t channel_block(const lower::Kernel& kernel, const lower::Contraction& contraction) {
  const Node& node = kernel.body.node(contraction.node);
  if (!node.is(ops::conv)) return 0;
  const ConvDims dims = ConvSpec::of(node).dims;
  const int axes[2] = {dims.lhs_channel, dims.rhs_input};
  int64_t block = 0;
  for (size_t i = 0; i < 2; ++i) {
    const BufferForm* form = operand_form(kernel, contraction, i);
    if (form) block = std::max(block, form->type.layout.block_of(axes[i]));
  }
  const int64_t part = std::gcd(block, contraction.channels);
  constexpr int64_t kLeastPart = 4;
  return part >= kLeastPart && contraction.channels > block ? part : 0;
}

}  // namespace

const BufferForm* operand_form(const lower::Kernel& kernel, const lower::Contraction& contraction,
                               size_t i) {
  const std::optional<size_t> leaf = leaf_of(kernel, contraction, i);
  return leaf ? &kernel.operand_forms[*leaf] : nullptr;
}

std::string operand_name(const lower::Kernel& kernel, const lower::Contraction& contraction,
                         size_t i) {
  const std::optional<size_t> leaf = leaf_of(kernel, contraction, i);
  return leaf ? kernel.operands[*leaf].name() : std::string();
}

Halide::Var Anchor::loop(int axis) const {
  return lower::Kernel::physical(dimension_of_axis[axis]);
}

int64_t Anchor::extent(int axis) const { return extents[dimension_of_axis[axis]]; }

Halide::Var Anchor::logical(int axis) const {
  return lower::logical_variables(rank)[rank - 1 - axis];
}

Anchor find_anchor(lower::Kernel& kernel, std::string_view template_name, bool takes_sums) {
  if (kernel.contractions.size() != 1) {
    refuse(template_name,
           fmt::format("wants one contraction, but the kernel has {}", kernel.contractions.size()));
  }
  lower::Contraction& contraction = kernel.contractions[0];
  const Shape& shape = kernel.body.node(contraction.node).types[0].shape;
  const TensorType& result = kernel.result_forms[0].type;
  if (result.shape != shape) {
    refuse(template_name,
           fmt::format("wants results like the contraction's {}, but the kernel's is {}",
                       to_string(shape), to_string(result)));
  }
  join_results(kernel);
  const bool sums = !kernel.reductions.empty();
  if (sums && !takes_sums) refuse(template_name, "computes no sums beside the contraction");
  if (!sums && kernel.stages.size() != 1) refuse(template_name, "wants results with equal extents");

  const int rank = result.rank();
  Anchor anchor{contraction, kernel.stages[0], rank, 0, 0, channel_block(kernel, contraction), {},
                {}};
  std::vector<LayoutDim> dims = result.layout.dims(rank);
  std::reverse(dims.begin(), dims.end());
  const std::vector<int> extents = kernel.physical_extents(0);
  anchor.extents.assign(extents.begin(), extents.end());
  anchor.dimension_of_axis.assign(rank, 0);
  for (size_t d = 0; d < dims.size(); ++d) {
    if (d > 0 && dims[d].block != 0) refuse(template_name, "wants one block, innermost");
    anchor.dimension_of_axis[dims[d].axis] = static_cast<int>(d);
    anchor.stage.bound(lower::Kernel::physical(static_cast<int>(d)), 0, extents[d]);
  }
  anchor.lane_axis = dims[0].axis;
  anchor.block = dims[0].block;
  return anchor;
}

void schedule_padded(const lower::Kernel& kernel, const lower::Contraction& contraction,
                     const Halide::Func& consumer, const Halide::VarOrRVar& at) {
  if (!contraction.padded.defined()) return;
  Halide::Func padded = contraction.padded;
  if (at.is_rvar) {
    padded.compute_at(consumer, at.rvar);
  } else {
    padded.compute_at(consumer, at.var);
  }
  const BufferForm* form = operand_form(kernel, contraction, 0);
  std::vector<Halide::Var> order = padded.args();
  const int rank = static_cast<int>(order.size());
  const LayoutDim innermost = form ? form->type.layout.dims(rank).back() : LayoutDim{rank - 1, 0};
  std::rotate(order.begin(), order.begin() + (rank - 1 - innermost.axis),
              order.begin() + (rank - innermost.axis));
  const int64_t extent =
      kernel.body.type(kernel.body.node(contraction.node).operands[0]).shape[innermost.axis];
  const int lanes = innermost.block > 0 ? static_cast<int>(innermost.block)
                                        : vector_lanes(kernel.target, padded.types(), extent);
  padded.reorder_storage(order)
      .reorder(std::vector<Halide::VarOrRVar>(order.begin(), order.end()))
      .vectorize(order[0], lanes);
}

void require_divides(std::string_view template_name, std::string_view parameter, int64_t value,
                     int64_t extent) {
  if (value > 0 && extent % value == 0) return;
  throw CompileError(fmt::format("schedule: {}: {} {} does not divide the extent {}", template_name,
                                 parameter, value, extent))
      .help("choose a divisor");
}

}  // namespace ag::schedule
