// Values stored inside others: concats, slices and reshapes between kernels that cost nothing.
#pragma once

#include <map>

#include "ir/graph.h"

namespace ag {

// A value that lies in the buffer of another.
struct StoredSlice {
  Value whole;     // has a buffer of its own
  Integers start;  // of the value in it, along each axis of the whole
};

// The values of a graph of kernels that are slices of others' buffers: operands of kernels of class
// "concat", results of kernels of classes "slice" and "reshape". InternalError for such a kernel
// that is no view of one buffer, which share_storage leaves none of.
std::map<Value, StoredSlice> stored_slices(const Graph& kernels);

// Decides which concats, slices and reshapes are views. Afterwards the operands of a kernel of
// class "concat" are written where its result is, and the result of one of class "slice" lies in
// its operand: neither computes anything. Operands that cannot lie there are copied by kernels of
// their own; where a concat or slice cannot be a view at all, it becomes a kernel of class
// "pointwise". One of that class that only reshapes a row-major value whose bytes may serve as the
// result becomes one of class "reshape".
//
//   %2: f32[1,64,8,8]{aBcd16b} = kernel(%0, %1, class="concat", …)    # %1 is an output, too
// becomes
//   %2: f32[1,32,8,8]{aBcd16b} = kernel(%1, class="pointwise", …)
//   %3: f32[1,64,8,8]{aBcd16b} = kernel(%0, %2, class="concat", …)
Graph share_storage(const Graph& kernels);

// The same graph with no value inside another: each concat and slice is a kernel that copies.
Graph keep_storage_apart(const Graph& kernels);

}  // namespace ag
