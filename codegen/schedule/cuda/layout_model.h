// Which layouts the CUDA schedules want.
#pragma once

#include "passes/layout.h"

namespace ag {

// None: every tensor is stored by rows (NCHW), as the outside gives and takes it.
class CudaLayoutModel : public LayoutModel {
 public:
  LayoutDemands demands(const Graph& body, std::string_view kernel_class) const override;
  bool follows(std::string_view) const override { return true; }
  bool tests_border(const Graph&, size_t) const override { return true; }  // there are no halos
};

}  // namespace ag
