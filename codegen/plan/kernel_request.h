// A kernel node with planned buffers as a request to the kernel compiler.
#pragma once

#include "codegen/kernel/request.h"
#include "codegen/target.h"
#include "ir/graph.h"

namespace ag::plan {

// The symbol is a hash of everything else, so equal kernels are one request. Elementwise kernels
// over dense buffers of one layout are asked for as kernels over vectors, whatever their shape was.
KernelRequest kernel_request(const Node& kernel, std::vector<BufferForm> operands,
                             std::vector<BufferForm> results, std::vector<int64_t> in_place,
                             const Target& target);

// "conv+add+relu": the ops of a kernel that compute something.
std::string kernel_name(const Graph& body);

// "f32[1,16,32,32]{aBcd16b} halo [0+0,0+0,1+1,1+1]"; a halo of nothing is left out.
std::string form_text(const BufferForm& form);

}  // namespace ag::plan
