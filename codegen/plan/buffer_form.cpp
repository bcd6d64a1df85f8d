#include "codegen/plan/buffer_form.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/diagnostics.h"

namespace ag::plan {
namespace {

constexpr int64_t kMostBytes = (int64_t{1} << 31) - 1;

// Extents of the physical dimensions with their halos, outermost first.
Shape padded_extents(const BufferForm& form) {
  Shape extents = form.type.layout.physical_shape(form.type.shape);
  std::vector<LayoutDim> dims = form.type.layout.dims(form.type.rank());
  for (size_t d = 0; d < dims.size() && !form.halo.empty(); ++d) {
    if (dims[d].block == 0)
      extents[d] += form.halo[dims[d].axis].low + form.halo[dims[d].axis].high;
  }
  return extents;
}

}  // namespace

BufferForm form_of(const TensorType& type, const Halo& halo) {
  BufferForm form{type, {}, {}};
  for (size_t axis = 0; axis < halo.low.size(); ++axis)
    form.halo.push_back({halo.low[axis], halo.high[axis]});
  Shape extents = padded_extents(form);
  form.strides.assign(extents.size(), 1);
  for (size_t d = extents.size(); d-- > 1;) form.strides[d - 1] = form.strides[d] * extents[d];
  if (bytes_of(form) > kMostBytes) {
    throw CompileError(
        fmt::format(
            "plan: a tensor {} takes {} bytes, but a kernel's buffer holds at most {} (2 GiB)",
            to_string(type), bytes_of(form), kMostBytes))
        .help("use a smaller batch, or split the layer");
  }
  return form;
}

int64_t bytes_of(const BufferForm& form) {
  return element_count(padded_extents(form)) * static_cast<int64_t>(size_of(form.type.dtype));
}

int64_t origin_of(const BufferForm& form) {
  if (form.halo.empty()) return 0;
  int64_t elements = 0;
  std::vector<LayoutDim> dims = form.type.layout.dims(form.type.rank());
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d].block == 0) elements += form.halo[dims[d].axis].low * form.strides[d];
  }
  return elements * static_cast<int64_t>(size_of(form.type.dtype));
}

int64_t offset_of(const BufferForm& form, const Integers& start) {
  int64_t elements = 0;
  std::vector<LayoutDim> dims = form.type.layout.dims(form.type.rank());
  for (size_t d = 0; d < dims.size(); ++d) {
    const int axis = dims[d].axis;
    if (dims[d].block == 0)
      elements += start[axis] / form.type.layout.block_of(axis) * form.strides[d];
  }
  return elements * static_cast<int64_t>(size_of(form.type.dtype));
}

std::vector<BufferDim> dims_of(const BufferForm& form) {
  Shape extents = form.type.layout.physical_shape(form.type.shape);
  std::vector<BufferDim> dims;
  for (size_t d = extents.size(); d-- > 0;) {
    dims.push_back({static_cast<int32_t>(extents[d]), static_cast<int32_t>(form.strides[d])});
  }
  return dims;
}

// For each axis with a halo, a slab before and one behind it. Slabs of an outer axis span the halos
// of inner axes and the inside of outer ones. What is behind one row lies before the next: where
// the axis outside has halos on both sides, the two slabs are one, of as many and one runs.
std::vector<Box> halo_boxes(const BufferForm& form) {
  std::vector<Box> boxes;
  if (form.halo.empty()) return boxes;
  std::vector<LayoutDim> layout = form.type.layout.dims(form.type.rank());
  Shape inside = form.type.layout.physical_shape(form.type.shape), padded = padded_extents(form);
  int64_t width = static_cast<int64_t>(size_of(form.type.dtype));
  auto halo_of = [&](size_t d) {
    return layout[d].block == 0 ? form.halo[layout[d].axis] : BufferForm::Halo{};
  };
  auto slab = [&](size_t around, int64_t start, int64_t extent) {
    Box box;
    for (size_t d = layout.size(); d-- > 0;) {
      int64_t first = d == around ? start : d > around ? -halo_of(d).low : 0;
      int64_t count = d == around ? extent : d > around ? padded[d] : inside[d];
      box.offset += first * form.strides[d] * width;
      box.dims.push_back({static_cast<int32_t>(count), static_cast<int32_t>(form.strides[d])});
    }
    boxes.push_back(box);
  };
  const auto joins_rows = [&](size_t d) {
    const auto both = [&](size_t axis) { return halo_of(axis).low > 0 && halo_of(axis).high > 0; };
    return d > 0 && both(d) && both(d - 1) && form.strides[d - 1] == padded[d] * form.strides[d];
  };
  const auto join_slabs = [&](size_t d) {
    slab(d, inside[d], halo_of(d).high + halo_of(d).low);
    Box& box = boxes.back();
    box.offset -= form.strides[d - 1] * width;
    box.dims[layout.size() - d].extent += 1;
  };
  for (size_t d = 0; d < layout.size(); ++d) {
    if (joins_rows(d)) {
      join_slabs(d);
      continue;
    }
    if (halo_of(d).low > 0) slab(d, -halo_of(d).low, halo_of(d).low);
    if (halo_of(d).high > 0) slab(d, inside[d], halo_of(d).high);
  }
  return boxes;
}

}  // namespace ag::plan
