// Steps that the runtime does itself.
#include <cstring>

#include "runtime/checks.h"
#include "runtime/instance.h"

namespace {

using ag::rt::kMaxRank;

// Calls visit(first byte of row …) for every innermost row of a box: Halide order, innermost first.
template <class Visit>
void for_each_row(const halide_dimension_t* dims, int32_t dimensions, Visit visit) {
  int32_t index[kMaxRank] = {};
  for (;;) {
    int64_t elements = 0;
    for (int32_t d = 1; d < dimensions; ++d) elements += int64_t{index[d]} * dims[d].stride;
    visit(elements, index);
    int32_t d = 1;
    for (; d < dimensions; ++d) {
      if (++index[d] < dims[d].extent) break;
      index[d] = 0;
    }
    if (d >= dimensions) return;
  }
}

int64_t width_of(const halide_buffer_t& buffer) { return (buffer.type.bits + 7) / 8; }

bool is_empty(const halide_dimension_t* dims, int32_t dimensions) {
  for (int32_t d = 0; d < dimensions; ++d) {
    if (dims[d].extent <= 0) return true;
  }
  return false;
}

void zero_box(const halide_buffer_t& buffer, const ag::rt::BoxRecord& box) {
  const auto dimensions = static_cast<int32_t>(box.dimensions);
  if (is_empty(box.dims, dimensions)) return;
  const int64_t width = width_of(buffer);
  uint8_t* origin = buffer.host + box.offset;
  const int64_t count = dimensions > 0 ? box.dims[0].extent : 1;
  const int64_t stride = dimensions > 0 ? box.dims[0].stride : 1;
  for_each_row(box.dims, dimensions, [&](int64_t elements, const int32_t*) {
    uint8_t* row = origin + elements * width;
    if (stride == 1) {
      memset(row, 0, static_cast<size_t>(count * width));
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      memset(row + i * stride * width, 0, static_cast<size_t>(width));
    }
  });
}

}  // namespace

void argent_rt_zero_boxes(const halide_buffer_t* buffer, const ag::rt::BoxRecord* boxes,
                          uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) zero_box(*buffer, boxes[i]);
}

void argent_rt_copy(const halide_buffer_t* source, const halide_buffer_t* destination) {
  const int32_t dimensions = source->dimensions;
  if (is_empty(source->dim, dimensions)) return;
  const int64_t width = width_of(*source);
  const int64_t count = dimensions > 0 ? source->dim[0].extent : 1;
  const int64_t from_stride = dimensions > 0 ? source->dim[0].stride : 1;
  const int64_t to_stride = dimensions > 0 ? destination->dim[0].stride : 1;
  for_each_row(source->dim, dimensions, [&](int64_t elements, const int32_t* index) {
    int64_t to_elements = 0;
    for (int32_t d = 1; d < dimensions; ++d) {
      to_elements += int64_t{index[d]} * destination->dim[d].stride;
    }
    const uint8_t* from = source->host + elements * width;
    uint8_t* to = destination->host + to_elements * width;
    if (from_stride == 1 && to_stride == 1) {
      memmove(to, from, static_cast<size_t>(count * width));
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      memmove(to + i * to_stride * width, from + i * from_stride * width,
              static_cast<size_t>(width));
    }
  });
}
