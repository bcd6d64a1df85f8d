// Between logical coordinates and planned buffers.

#include "codegen/lower/kernel.h"

namespace ag::lower {

using Halide::Expr;

Halide::Type compute_type(DType dtype) {
  if (dtype == DType::f16 || dtype == DType::bf16) return Halide::Float(32);
  if (dtype == DType::boolean) return Halide::Bool();
  return stored_type(dtype);
}

Halide::Type stored_type(DType dtype) {
  int bits = static_cast<int>(8 * size_of(dtype));
  if (dtype == DType::bf16) return Halide::BFloat(16);
  if (is_float(dtype)) return Halide::Float(bits);
  return is_signed_integer(dtype) ? Halide::Int(bits) : Halide::UInt(bits);
}

Halide::Type buffer_type(const Target& target, DType dtype) {
  return dtype == DType::bf16 && target.is_cuda() ? Halide::UInt(16) : stored_type(dtype);
}

namespace {

Expr word(uint32_t number) {
  return Halide::Internal::make_const(Halide::UInt(32), uint64_t{number});
}

}  // namespace

// Halide's cast to bfloat rounds 0x7fffffff, a NaN, to -0, and its cast to f16 for machines without
// such an instruction makes NaN infinity. Integers keep IEEE behaviour under fast math, so the test
// for NaN is one of integers.
Expr as_stored(const Target& target, DType dtype, const Expr& value) {
  if (dtype != DType::bf16 && dtype != DType::f16) return Halide::cast(stored_type(dtype), value);
  const Expr bits = Halide::reinterpret<uint32_t>(Halide::cast<float>(value));
  const Expr is_nan = (bits & word(0x7fffffff)) > word(0x7f800000);
  Expr rounded, nan;
  if (dtype == DType::bf16) {
    rounded = Halide::cast<uint16_t>((bits + word(0x7fff) + ((bits >> 16) & word(1))) >> 16);
    nan = Halide::cast<uint16_t>((bits | word(0x400000)) >> 16);
  } else {
    rounded = Halide::reinterpret<uint16_t>(Halide::cast(stored_type(dtype), value));
    nan = Halide::cast<uint16_t>(((bits >> 16) & word(0x8000)) | word(0x7e00));
  }
  return Halide::reinterpret(buffer_type(target, dtype), Halide::select(is_nan, nan, rounded));
}

Expr as_computed(const Target& target, DType dtype, const Expr& stored) {
  if (dtype == DType::boolean) return stored != 0;
  if (buffer_type(target, dtype) != stored_type(dtype))
    return Halide::reinterpret<float>(Halide::cast<uint32_t>(stored) << 16);
  return Halide::cast(compute_type(dtype), stored);
}

std::vector<Halide::Var> logical_variables(int rank) {
  std::vector<Halide::Var> variables;
  for (int axis = rank - 1; axis >= 0; --axis) variables.emplace_back("a" + std::to_string(axis));
  return variables;
}

std::vector<int> Kernel::physical_extents(size_t i) const {
  const TensorType& type = result_forms[i].type;
  Shape shape = type.layout.physical_shape(type.shape);
  return {shape.rbegin(), shape.rend()};
}

void fix_dimensions(Halide::OutputImageParam buffer, const BufferForm& form, bool with_bounds) {
  Shape shape = form.type.layout.physical_shape(form.type.shape);
  int rank = static_cast<int>(shape.size());
  int64_t dense = 1;
  for (int i = 0; i < rank; ++i) {
    int outer = rank - 1 - i;
    int64_t stride = form.strides.empty() ? dense : form.strides[outer];
    if (with_bounds) buffer.dim(i).set_bounds(0, static_cast<int>(shape[outer]));
    buffer.dim(i).set_stride(static_cast<int>(stride));
    dense *= shape[outer];
  }
}

std::vector<Expr> physical_position(const TensorType& type, std::span<const Expr> logical) {
  std::vector<LayoutDim> dims = type.layout.dims(type.rank());
  std::vector<Expr> position;
  std::vector<int> inner(type.rank(), 1);  // product of the blocks already passed, from innermost
  for (size_t i = dims.size(); i-- > 0;) {
    const auto& [axis, block] = dims[i];
    Expr whole = inner[axis] == 1 ? logical[axis] : logical[axis] / inner[axis];
    position.push_back(block == 0 ? whole : whole % static_cast<int>(block));
    if (block != 0) inner[axis] *= static_cast<int>(block);
  }
  return position;
}

std::vector<Expr> logical_position(const TensorType& type, std::span<const Expr> physical) {
  std::vector<LayoutDim> dims = type.layout.dims(type.rank());
  std::vector<Expr> position(type.rank());
  std::vector<int> inner(type.rank(), 1);
  for (size_t i = dims.size(); i-- > 0;) {
    const auto& [axis, block] = dims[i];
    Expr part = physical[dims.size() - 1 - i];
    if (inner[axis] != 1) part = part * inner[axis];
    position[axis] = position[axis].defined() ? part + position[axis] : part;
    if (block != 0) inner[axis] *= static_cast<int>(block);
  }
  return position;
}

}  // namespace ag::lower
