// The layout pass: how every value between kernels is stored.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace ag {

// What a kernel asks of its operands and results; nullopt: it reads or writes any layout about as
// well.
struct LayoutDemands {
  std::vector<std::optional<Layout>> operands, results;
};

// The target's opinion: its schedules know which layouts they are fast on.
class LayoutModel {
 public:
  virtual ~LayoutModel() = default;
  // The demands of one kernel of the given class (see passes/fuse.h).
  virtual LayoutDemands demands(const Graph& body, std::string_view kernel_class) const = 0;
  // Whether a kernel reads a broadcast or strided operand in any layout (pointwise, reductions).
  virtual bool follows(std::string_view kernel_class) const = 0;
  // Whether a kernel reads an operand at positions around it as fast where it has no halo: a leaf
  // is not copied for it then.
  virtual bool tests_border(const Graph& body, size_t operand) const = 0;
};

// Gives each kernel result one layout. Demands of the producer come first, then those of consumers;
// kernels without demands follow their neighbours, so that a layout spreads through elementwise
// kernels, forward and backward. Leaves and graph outputs are row-major; a leaf that never changes
// is converted once for a kernel that stores something of its shape otherwise in each run; a
// to_layout kernel is inserted where a leaf, or a value stored otherwise, meets a demand, and
// behind a kernel that stores an output in its own way.
//
//   %1: f32[8,64,56,56] = kernel(%x, %w, class="conv", …)
//   %2: f32[8,64,56,56] = kernel(%1, class="pointwise", …)
// becomes
//   %2: f32[64,3,3,3]{ABcd16b16a} = kernel(%w, class="pointwise", layouts="ABcd16b16a", …)
//   %3: f32[8,64,56,56]{aBcd16b} = kernel(%x, %2, class="conv", layouts="aBcd16b", …)
//   %4: f32[8,64,56,56]{aBcd16b} = kernel(%3, class="pointwise", layouts="aBcd16b", …)
Graph assign_layouts(const Graph& graph, const LayoutModel& model);

// Appends a kernel that only stores the value in another layout, or at another place.
Value copy_kernel(Graph& graph, Value value, const Layout& layout, const Location& location);

}  // namespace ag
