// The tables of runtime/cuda_image.h as constants of the driver module. Internal to codegen/link.
#pragma once

#include "codegen/link/image_tables.h"

namespace ag {

// An rt::CudaImage that describes a program for CUDA devices: one module of all its kernels, as PTX
// and, where blobs are embedded and there is a ptxas, as a cubin for the target's level. Throws
// CompileError for an entry with more inputs and outputs, or a kernel with more operands, than the
// runtime has room for.
llvm::GlobalVariable* add_cuda_image(llvm::Module& module, const plan::Program& program,
                                     const Target& target, BlobTable& blobs);

}  // namespace ag
