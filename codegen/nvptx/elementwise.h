// Elementwise ops of f32 as LLVM instructions.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include "ir/op_def.h"

namespace ag::nvptx {

// The op of these operands; null for an op that has no row.
llvm::Value* elementwise(llvm::IRBuilder<>& at, const OpDef& op,
                         llvm::ArrayRef<llvm::Value*> operands);

}  // namespace ag::nvptx
