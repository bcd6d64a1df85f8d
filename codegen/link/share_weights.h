// Weights of a program that is compiled for several levels.
#pragma once

#include <span>
#include <vector>

#include "codegen/plan/program.h"

namespace ag {

// The same programs, with the bytes they read of parameters, constants and prepared weights in one
// blob per storage that all have in common: tensors stored alike at several levels are there once.
// A single program is returned as it is.
std::vector<plan::Program> share_weights(std::span<const plan::Program> levels);

}  // namespace ag
