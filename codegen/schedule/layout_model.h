// Which layouts the CPU schedules want.
#pragma once

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

 private:
  const Target& target_;
};

}  // namespace ag
