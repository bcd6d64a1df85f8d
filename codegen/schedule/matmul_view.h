// A matrix product as the choosers of its layouts and schedules see it.
#pragma once

#include "codegen/target.h"
#include "ir/graph.h"

namespace ag {

struct MatmulView {
  int rank = 2;
  int64_t batch = 1, rows = 1, columns = 1, depth = 1;
  int64_t lanes = 1;          // of a vector of the sums' type: halves are summed in f32
  bool depth_last_b = false;  // neighbours along the depth are neighbours in the right operand

  static MatmulView of(const Graph& body, const Node& product, const Target& target);

  // So few rows that reading the right operand is what takes time: it is read as it lies.
  bool has_few_rows() const { return rows <= 4; }
  // Whether the right operand should be stored in panels of `lanes` columns, depth after depth: as
  // it lies its vectors would be gathered.
  bool wants_panels() const {
    return rank == 2 && depth_last_b && !has_few_rows() && lanes > 1 && columns % lanes == 0;
  }
};

}  // namespace ag
