// What other networks take from the ResNets.
#pragma once

#include "ir/tensor.h"

namespace ag::zoo {

// ResNet-50 without its classifier, with dilation instead of strides in its last two stages: one
// feature for every 8 x 8 pixels.
Tensor dilated_resnet50_features(Tensor image);

}  // namespace ag::zoo
