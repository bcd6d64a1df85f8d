#include "ir/ops/leaf.h"

#include "codegen/lower/lowering.h"

namespace ag::lower {
namespace {

using Halide::Expr;

Expr number(DType dtype, double value) { return Halide::cast(compute_type(dtype), Expr(value)); }

void lower_full(LowerContext& c) {
  define(c, 0, [&](const Coordinates&) {
    return number(c.result_type().dtype, c.attributes().number("value"));
  });
}

void lower_iota(LowerContext& c) {
  define(c, 0, [&](const Coordinates& at) { return at[c.attributes().integer("axis")]; });
}

// Small arrays become an embedded buffer of the object.
void lower_constant(LowerContext& c) {
  const Array& data = c.attributes().array("data");
  const Target& target = c.kernel.target;
  Halide::Buffer<> buffer(buffer_type(target, data.dtype()),
                          std::vector<int>(data.shape().rbegin(), data.shape().rend()));
  std::memcpy(buffer.data(), data.data(), data.size_bytes());
  buffer.set_host_dirty();  // a device has no copy yet
  define(c, 0, [&](const Coordinates& at) {
    Expr stored = buffer(Coordinates(at.rbegin(), at.rend()));
    return as_computed(target, data.dtype(), stored);
  });
}

constexpr Lowering kLeafLowerings[] = {
    {&ops::full, lower_full},
    {&ops::iota, lower_iota},
    {&ops::constant, lower_constant},
};

}  // namespace

std::span<const Lowering> leaf_lowerings() { return kLeafLowerings; }

}  // namespace ag::lower
