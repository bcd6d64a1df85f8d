#include "ir/ops/resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/infer.h"
#include "ir/ops/contract.h"
#include "ir/ops/leaf.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kResizeAttributes[] = {required("size", AttributeKind::integers),
                                               flag("align_corners")};

std::vector<TensorType> infer_resize(const InferContext& c) {
  const TensorType& x = c.operand(0);
  const Integers& size = c.attributes.integers("size");
  if (!is_float(x.dtype)) {
    throw c.error(fmt::format("operand is {}, but interpolation wants a float", to_string(x)))
        .help("insert a cast");
  }
  if (size.empty() || size.size() > x.shape.size()) {
    throw c.error(fmt::format("size {} does not fit operand {}", to_string(size), to_string(x)))
        .help("give one extent per trailing axis to resize");
  }
  Shape shape = x.shape;
  const size_t first = shape.size() - size.size();
  for (size_t i = 0; i < size.size(); ++i) {
    if (size[i] < 1 || shape[first + i] < 1) {
      throw c
          .error(fmt::format("cannot resize extent {} of axis {} to {}", shape[first + i],
                             first + i, size[i]))
          .help("both must be at least 1");
    }
    shape[first + i] = size[i];
  }
  return {x.with_shape(shape)};
}

// Where element i of the result lies among `extent` elements.
double position(int64_t i, int64_t extent, int64_t size, bool align_corners) {
  const double last = static_cast<double>(extent - 1), at = static_cast<double>(i);
  if (align_corners) return size == 1 ? 0 : at * last / static_cast<double>(size - 1);
  const double scale = static_cast<double>(extent) / static_cast<double>(size);
  return std::clamp((at + 0.5) * scale - 0.5, 0.0, last);
}

// Row i holds the weights of the operand's elements in element i of the result.
Array weights(DType dtype, int64_t extent, int64_t size, bool align_corners) {
  Array array(dtype, {size, extent});
  for (int64_t i = 0; i < size; ++i) {
    const double at = position(i, extent, size, align_corners);
    const int64_t below = std::min<int64_t>(static_cast<int64_t>(at), extent - 1);
    const double share = at - static_cast<double>(below);
    array.set_double(i * extent + below, 1 - share);
    if (share > 0) array.set_double(i * extent + below + 1, share);
  }
  return array;
}

// One axis as a product with its weights; axes around it are rows and columns.
Tensor resized(Tensor x, int axis, int64_t size, bool align_corners) {
  const int64_t extent = x.extent(axis);
  if (extent == size) return x;
  Shape shape = x.shape();
  shape[axis] = size;
  if (extent == 1) return broadcast_to(x, shape);
  const int64_t inner = element_count({shape.begin() + axis + 1, shape.end()});
  Tensor matrix = constant(x.graph(), weights(x.dtype(), extent, size, align_corners));
  if (inner == 1) {
    Tensor rows = reshape(x, {-1, extent});
    return reshape(matmul(rows, matrix, {.transpose_b = true}), shape);
  }
  Tensor columns = reshape(x, {-1, extent, inner});
  return reshape(matmul(matrix, columns), shape);
}

std::vector<Tensor> expand_resize(const ExpandContext& c) {
  Tensor x = c.operands[0];
  const Integers& size = c.attributes.integers("size");
  const int first = x.rank() - static_cast<int>(size.size());
  for (size_t i = 0; i < size.size(); ++i)
    x = resized(x, first + static_cast<int>(i), size[i], c.attributes.flag("align_corners"));
  return {x};
}

}  // namespace

namespace ops {

constinit const OpDef resize_linear{.name = "resize_linear",
                                    .kind = OpKind::composite,
                                    .arity = {1, 1},
                                    .attributes = kResizeAttributes,
                                    .infer = infer_resize,
                                    .expand = expand_resize,
                                    .preserves_zero = [](const Attributes&) { return true; }};

}  // namespace ops

Tensor resize_linear(Operand x, Integers size, bool align_corners) {
  return apply(ops::resize_linear, {x.tensor},
               {{"size", std::move(size)}, {"align_corners", align_corners}}, x.where);
}

}  // namespace ag
