// Resizing of the trailing axes by linear interpolation.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// size: the result's extents along the trailing axes. Element i of an axis of extent n lies at
// (i + 0.5) · n / size − 0.5 of the operand, or with align_corners at i · (n − 1) / (size − 1), cut
// to the operand's first and last element, and is interpolated between the two elements around.
extern const OpDef resize_linear;

}  // namespace ag::ops

namespace ag {

// Bilinear for two axes, trilinear for three; PyTorch's interpolate without antialias.
Tensor resize_linear(Operand x, Integers size, bool align_corners = false);

}  // namespace ag
