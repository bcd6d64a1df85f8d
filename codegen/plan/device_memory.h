// Which memory of a CUDA program is the device's.
#pragma once

#include "codegen/plan/planner.h"

namespace ag::plan {

// Puts everything that kernels touch into memory of the device: inputs and outputs of an entry,
// which are the caller's, get buffers in its arena, filled by an upload before the first step and
// read by a download behind the last. No other step of the entry touches the caller's memory.
//
//   conv(image, weight, t0) · dense(t0, weight, logits)
// becomes
//   upload(image, a0) · conv(a0, weight, t0) · dense(t0, weight, a1) · download(a1, logits)
void place_on_device(ProgramPlan& plan);

}  // namespace ag::plan
