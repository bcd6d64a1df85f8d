// When attention is one kernel.
#pragma once

#include <memory>

#include "codegen/target.h"
#include "passes/fuse_attention.h"

namespace ag {

// Asks the schedules of the target's family: never where they have none for the class.
std::unique_ptr<AttentionModel> attention_model_of(const Target& target);

}  // namespace ag
