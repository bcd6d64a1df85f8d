// Rows beside the table of op cases, large enough for what small ones do not reach in a schedule
// for devices: several blocks that share a sum, vectors of elements, full tiles, long rows.
#pragma once

#include "tests/op_cases.h"

namespace ag {

struct DeviceCase {
  OpCase row;
  std::string reaches;  // part of a schedule of Halide's that one of its kernels must have
};

std::vector<DeviceCase> device_cases();

}  // namespace ag
