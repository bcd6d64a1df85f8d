#include "codegen/nvptx/gemm_address.h"

namespace ag::nvptx {
namespace {

using llvm::Value;

Value* plus(DeviceKernel& kernel, Value* a, Value* b) {
  if (!a || !b) return a ? a : b;
  return kernel.at.CreateAdd(a, b);
}

// Σ factor · digit over the digits that are given.
Value* part_of(DeviceKernel& kernel, const Affine& function, const DigitValues& digits) {
  Value* sum = nullptr;
  for (size_t d = 0; d < digits.size(); ++d) {
    if (!digits[d] || function.factors[d] == 0) continue;
    Value* term = function.factors[d] == 1
                      ? digits[d]
                      : kernel.at.CreateMul(digits[d], kernel.number(function.factors[d]));
    sum = plus(kernel, sum, term);
  }
  return sum;
}

}  // namespace

DigitValues digits_of(DeviceKernel& kernel, const GemmView& view, GemmIndex index, Value* number) {
  DigitValues digits(view.digits.size(), nullptr);
  size_t outermost = 0;
  while (outermost < digits.size() && view.digits[outermost].of != index) ++outermost;
  for (size_t d = digits.size(); d-- > 0;) {
    if (view.digits[d].of != index) continue;
    if (d == outermost) {
      digits[d] = number;
      break;
    }
    Value* extent = kernel.number(view.digits[d].extent);
    digits[d] = kernel.at.CreateURem(number, extent);
    number = kernel.at.CreateUDiv(number, extent);
  }
  return digits;
}

AddressPart part_of(DeviceKernel& kernel, const GemmAccess& access, const DigitValues& digits) {
  AddressPart part{part_of(kernel, access.offset, digits), {}};
  for (const GemmWindow& window : access.windows)
    part.positions.push_back(part_of(kernel, window.position, digits));
  return part;
}

ElementPlace place_of(DeviceKernel& kernel, const GemmAccess& access,
                      std::initializer_list<const AddressPart*> parts) {
  llvm::IRBuilder<>& at = kernel.at;
  ElementPlace place{kernel.number(access.offset.constant), nullptr};
  for (const AddressPart* part : parts) place.offset = plus(kernel, place.offset, part->offset);
  for (size_t w = 0; w < access.windows.size(); ++w) {
    const GemmWindow& window = access.windows[w];
    Value* position = kernel.number(window.position.constant);
    for (const AddressPart* part : parts) position = plus(kernel, position, part->positions[w]);
    // As an unsigned number a position before the first is behind the last.
    const int64_t end = (window.extent - 1) * window.dilation + 1;
    place.exists = kernel.both(place.exists, at.CreateICmpULT(position, kernel.number(end)));
    if (window.dilation > 1) {
      Value* dilation = kernel.number(window.dilation);
      Value* hits = at.CreateICmpEQ(at.CreateURem(position, dilation), kernel.number(0));
      place.exists = kernel.both(place.exists, hits);
      position = at.CreateUDiv(position, dilation);
    }
    Value* offset = at.CreateMul(position, kernel.number(window.stride));
    place.offset = at.CreateAdd(place.offset, offset);
  }
  return place;
}

}  // namespace ag::nvptx
