// Which bytes of its storage a buffer reaches.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/plan/program.h"

namespace ag {

struct ByteSpan {
  int64_t low, high;  // first, and one past the last
};

inline ByteSpan buffer_span(int64_t offset, const std::vector<plan::BufferDim>& dims,
                            int64_t width) {
  ByteSpan span{offset, offset + width};
  for (const plan::BufferDim& dim : dims) {
    if (dim.extent == 0) return {offset, offset};
    const int64_t reach = int64_t{dim.extent - 1} * dim.stride * width;
    (reach < 0 ? span.low : span.high) += reach;
  }
  return span;
}

}  // namespace ag
