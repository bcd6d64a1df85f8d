// Default schedules of convolutions and matrix products.
#pragma once

#include "codegen/schedule/choose.h"

namespace ag {

Schedule choose_conv(const KernelView& kernel);
Schedule choose_matmul(const KernelView& kernel);

}  // namespace ag
