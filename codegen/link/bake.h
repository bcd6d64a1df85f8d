// Weights prepared when a library is made, instead of when it is opened.
#pragma once

#include "codegen/plan/program.h"

namespace ag {

// Runs the program's prepare steps here and now. The result ships what they wrote, and of the plain
// parameters only those that its entries read; argent_set on parameters is refused. A program for
// another machine, for a device, or without prepare steps, is returned as it is: its weights are
// prepared when the library is opened, and may be changed.
plan::Program bake_weights(const plan::Program& program);

}  // namespace ag
