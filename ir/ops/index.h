// Reading and adding at indices given as data. An index below 0 counts as 0 and one past the end
// as the last: what a program reads is always inside its operand.
#pragma once

#include "ir/tensor.h"

namespace ag::ops {

// (x, indices; axis), shapes equal but along the axis: y[…,i,…] = x[…,indices[…,i,…],…].
extern const OpDef take_along;
// (updates, indices; axis), equal shapes: zeros of the declared type with each update added at its
// index; the gradient of take_along.
extern const OpDef scatter_along_add;
// (table [rows, …], indices of any shape): the table's rows at the indices, in the shape
// [indices…, …].
extern const OpDef gather_rows;
// (updates [indices…, …], indices): zeros of the declared type [rows, …] with each update added to
// its row; the gradient of gather_rows.
extern const OpDef scatter_rows_add;

}  // namespace ag::ops

namespace ag {

Tensor take_along(Operand x, Operand indices, int axis);
Tensor scatter_along_add(Operand updates, Operand indices, int axis, TensorType type);
Tensor gather_rows(Operand table, Operand indices);
Tensor scatter_rows_add(Operand updates, Operand indices, TensorType type);
// One more axis behind those of `labels`: 1 at the label, else 0; all 0 for a label outside
// [0, classes).
Tensor one_hot(Operand labels, int64_t classes, DType dtype = DType::f32);

}  // namespace ag
