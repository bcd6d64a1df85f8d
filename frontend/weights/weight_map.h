// Named tensors, in the order of their names.
#pragma once

#include <map>
#include <string>

#include "ir/array.h"

namespace ag {

using WeightMap = std::map<std::string, Array>;

}  // namespace ag
