// The program's own code: one function per entry that calls its kernels in order, and the tables
// the runtime reads. A program for CUDA devices consists of tables alone.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "codegen/link/image_tables.h"
#include "codegen/plan/program.h"

namespace ag {

// The exported function of a program's library: "lenet5_model".
std::string model_symbol(const plan::Program& program);

struct DriverObject {
  std::string bytes;
  std::vector<BlobSymbol> blobs;  // of the programs; none where these are linked into memory
};

// A relocatable object that defines model_symbol() and refers to the program's kernels, to its
// weights and to the runtime. `levels` is one program compiled for several levels of processors,
// plainest first: the function then gives the one for the processor it runs on. Each call carries
// the user's file and line, inside an inlined function named after the layer, so that debuggers and
// profilers speak of layers.
DriverObject driver_object(std::span<const plan::Program> levels, LinkedInto place);

}  // namespace ag
