// Planned buffers: extents, strides and halos of stored values.
#pragma once

#include "codegen/kernel/request.h"
#include "codegen/plan/program.h"
#include "passes/halo.h"

namespace ag::plan {

// How a value of this type is stored with a halo around it: dense, halos included. Throws
// CompileError for a tensor over 2 GiB, which kernels cannot index.
BufferForm form_of(const TensorType& type, const Halo& halo);

// Bytes of the whole buffer, halo included, and those before element (0, …, 0).
int64_t bytes_of(const BufferForm& form);
int64_t origin_of(const BufferForm& form);
// Bytes from element (0, …, 0) to the first of a slice, which cuts no block.
int64_t offset_of(const BufferForm& form, const Integers& start);

// Physical dimensions as the runtime wants them, innermost first.
std::vector<BufferDim> dims_of(const BufferForm& form);

// The boxes of elements around the tensor.
std::vector<Box> halo_boxes(const BufferForm& form);

}  // namespace ag::plan
