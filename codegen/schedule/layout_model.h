// Which layouts the schedules of a target want.
#pragma once

#include <memory>

#include "codegen/target.h"
#include "passes/layout.h"

namespace ag {

// Convolutions want channels in blocks of one vector, the activation blocked along channels
// (aBcd16b) and the weights packed by output channel; everything else follows.
class CpuLayoutModel : public LayoutModel {
 public:
  explicit CpuLayoutModel(const Target& target) : target_(target) {}
  LayoutDemands demands(const Graph& body, std::string_view kernel_class) const override;
  bool follows(std::string_view kernel_class) const override;
  bool tests_border(const Graph& body, size_t operand) const override;

 private:
  const Target& target_;
};

// The model of the target's family.
std::unique_ptr<LayoutModel> layout_model_of(const Target& target);

}  // namespace ag
