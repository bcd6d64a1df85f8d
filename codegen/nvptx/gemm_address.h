// Where the elements of a GemmView are, as instructions. An address is a sum of parts, one for each
// index (batch, row, column, depth), so that each is computed where its index is known: a thread's
// rows and columns once, its steps along the depth in the loop.
#pragma once

#include <span>

#include "codegen/nvptx/device_module.h"
#include "codegen/schedule/cuda/gemm_view.h"

namespace ag::nvptx {

// The digits of a number of one index; null for the digits of others.
using DigitValues = std::vector<llvm::Value*>;
DigitValues digits_of(DeviceKernel& kernel, const GemmView& view, GemmIndex index,
                      llvm::Value* number);

// What an index adds to the offset of an element and to its positions in windows; null: nothing.
struct AddressPart {
  llvm::Value* offset = nullptr;
  std::vector<llvm::Value*> positions;
};
AddressPart part_of(DeviceKernel& kernel, const GemmAccess& access, const DigitValues& digits);

struct ElementPlace {
  llvm::Value* offset;  // in elements
  llvm::Value* exists;  // null: always. Where it does not, the offset means nothing.
};
ElementPlace place_of(DeviceKernel& kernel, const GemmAccess& access,
                      std::initializer_list<const AddressPart*> parts);

}  // namespace ag::nvptx
