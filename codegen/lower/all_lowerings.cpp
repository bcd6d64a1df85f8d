#include "codegen/lower/lowering.h"

namespace ag::lower {

std::span<const Lowering> all_lowerings() {
  static const std::vector<Lowering> all = [] {
    std::vector<Lowering> rows;
    for (std::span<const Lowering> family :
         {leaf_lowerings(), pointwise_lowerings(), view_lowerings(), reduce_lowerings(),
          window_lowerings(), index_lowerings(), random_lowerings(), conv_lowerings(),
          contract_lowerings(), winograd_lowerings(), winograd_backward_lowerings(),
          winograd_weights_lowerings()}) {
      rows.insert(rows.end(), family.begin(), family.end());
    }
    return rows;
  }();
  return all;
}

}  // namespace ag::lower
