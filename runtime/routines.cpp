// Steps that the runtime does itself.
#include <cstring>

#include "runtime/checks.h"
#include "runtime/instance.h"

namespace {

using ag::rt::kMaxRank;

// Strided dimensions in bytes, innermost first, of one or two buffers walked together: those of
// extent 1 are gone, and those that continue each other are one.
class Walk {
 public:
  // `second` may equal `first`.
  Walk(const halide_dimension_t* first, const halide_dimension_t* second, int32_t dimensions,
       int64_t width) {
    row_bytes_ = width;
    for (int32_t d = 0; d < dimensions; ++d) {
      const int64_t extent = first[d].extent;
      if (extent <= 0) empty_ = true;
      if (extent <= 1) continue;
      add(extent, int64_t{first[d].stride} * width, int64_t{second[d].stride} * width);
    }
  }

  // Rows of row_bytes().
  int64_t rows() const {
    int64_t rows = empty_ ? 0 : 1;
    for (int d = 0; d < count_; ++d) rows *= dims_[d].extent;
    return rows;
  }

  // Calls visit(offset in the first, offset in the second) for rows [begin, end).
  template <class Visit>
  void each_row(int64_t begin, int64_t end, Visit visit) const {
    if (begin >= end) return;
    int64_t index[kMaxRank], first = 0, second = 0;
    for (int64_t d = 0, rest = begin; d < count_; rest /= dims_[d++].extent) {
      index[d] = rest % dims_[d].extent;
      first += index[d] * dims_[d].first;
      second += index[d] * dims_[d].second;
    }
    for (int64_t row = begin;;) {
      visit(first, second);
      if (++row == end) return;
      for (int d = 0; d < count_; ++d) {
        first += dims_[d].first;
        second += dims_[d].second;
        if (++index[d] < dims_[d].extent) break;
        first -= dims_[d].extent * dims_[d].first;
        second -= dims_[d].extent * dims_[d].second;
        index[d] = 0;
      }
    }
  }

  size_t row_bytes() const { return static_cast<size_t>(row_bytes_); }

 private:
  struct Dim {
    int64_t extent, first, second;
  };

  void add(int64_t extent, int64_t first, int64_t second) {
    if (count_ == 0 && first == row_bytes_ && second == row_bytes_) {
      row_bytes_ *= extent;
      return;
    }
    if (count_ > 0) {
      Dim& last = dims_[count_ - 1];
      if (first == last.first * last.extent && second == last.second * last.extent) {
        last.extent *= extent;
        return;
      }
    }
    dims_[count_++] = {extent, first, second};
  }

  int64_t row_bytes_;
  bool empty_ = false;
  int count_ = 0;
  Dim dims_[kMaxRank];
};

int64_t width_of(const halide_buffer_t& buffer) { return (buffer.type.bits + 7) / 8; }

void zero_box(const halide_buffer_t& buffer, const ag::rt::BoxRecord& box, uint32_t part,
              uint32_t parts) {
  uint8_t* origin = buffer.host + box.offset;
  const Walk walk(box.dims, box.dims, static_cast<int32_t>(box.dimensions), width_of(buffer));
  const size_t bytes = walk.row_bytes();
  const int64_t begin = walk.rows() * part / parts, end = walk.rows() * (part + 1) / parts;
  const auto zero = [&](auto bytes_of_row) {
    walk.each_row(begin, end,
                  [=](int64_t offset, int64_t) { memset(origin + offset, 0, bytes_of_row()); });
  };
  switch (bytes) {  // sixteen or eight channels of one pixel or two: stores instead of a call
    case 128: return zero([] { return size_t{128}; });
    case 64: return zero([] { return size_t{64}; });
    case 32: return zero([] { return size_t{32}; });
    default: return zero([=] { return bytes; });
  }
}

}  // namespace

void ag::rt::zero_part(const ZeroBoxes& zeros, uint32_t part, uint32_t parts) {
  for (uint64_t i = 0; i < zeros.count; ++i) zero_box(*zeros.buffer, zeros.boxes[i], part, parts);
}

void argent_rt_zero_boxes(ag::rt::Worker* caller, const halide_buffer_t* buffer,
                          const ag::rt::BoxRecord* boxes, uint64_t count) {
  ag::rt::Instance& instance = *caller->instance;
  const ag::rt::ZeroBoxes zeros = {buffer, boxes, count};
  if (!instance.shares_loops || instance.waiting_count == ag::rt::kMostWaitingZeros)
    return ag::rt::zero_part(zeros, 0, 1);
  instance.waiting_zeros[instance.waiting_count++] = zeros;
}

// Of a kernel without a parallel loop.
void argent_rt_zero_rest(ag::rt::Worker* caller) {
  ag::rt::Instance& instance = *caller->instance;
  for (uint32_t i = 0; i < instance.waiting_count; ++i)
    ag::rt::zero_part(instance.waiting_zeros[i], 0, 1);
  instance.waiting_count = 0;
}

void argent_rt_copy(const halide_buffer_t* source, const halide_buffer_t* destination) {
  const Walk walk(source->dim, destination->dim, source->dimensions, width_of(*source));
  walk.each_row(0, walk.rows(), [&](int64_t from, int64_t to) {
    memmove(destination->host + to, source->host + from, walk.row_bytes());
  });
}
