// The list of all ops.
#pragma once

#include <span>
#include <string_view>

#include "ir/op_def.h"

namespace ag {

std::span<const OpDef* const> all_ops();
// Null when there is no such op.
const OpDef* find_op(std::string_view name);

}  // namespace ag
