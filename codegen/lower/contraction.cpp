#include "codegen/lower/lowering.h"

namespace ag::lower {

using Halide::Expr;
using Halide::Func;

Contraction start_contraction(const LowerContext& c, int64_t channels, const Shape& taps) {
  Halide::Region ranges{{0, static_cast<int>(channels)}};
  for (size_t axis = taps.size(); axis-- > 0;) ranges.push_back({0, static_cast<int>(taps[axis])});
  const Halide::RDom over(ranges);
  Contraction contraction;
  contraction.func = Func(std::string(c.node().op->name) + "_" + std::to_string(c.index));
  contraction.node = c.index;
  contraction.domain = over;
  contraction.channel = over[0];
  contraction.channels = channels;
  contraction.tap_extents.assign(taps.rbegin(), taps.rend());
  for (size_t i = 0; i < taps.size(); ++i) {
    contraction.taps.push_back(over[static_cast<int>(i) + 1]);
  }
  return contraction;
}

void finish_contraction(LowerContext& c, Contraction contraction, const Expr& product) {
  const std::vector<Halide::Var> variables = logical_variables(c.result_type().rank());
  const Halide::Type type = compute_type(c.result_type().dtype);
  contraction.func(variables) = Halide::cast(type, 0);
  contraction.func(variables) += Halide::cast(type, product);
  c.kernel.values[c.index][0] = contraction.func;
  c.kernel.contractions.push_back(std::move(contraction));
}

}  // namespace ag::lower
