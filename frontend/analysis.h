// What a network consists of: layers, shapes, parameters, multiply-accumulates, receptive fields.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace ag {

// The nodes between two layers with parameters stand alone; those that use the parameters of one
// layer ("conv1.weight", "conv1.bias") form one row.
struct LayerRow {
  std::string name;  // "layer1.0.conv2"; empty for what has no parameters
  std::string op;    // of its first node
  TensorType output;
  int64_t parameters = 0;
  int64_t macs = 0;
  // Extent of the input that one output element depends on, per spatial axis, whatever the padding
  // cuts off; empty: all of it.
  Integers receptive_field;
};

struct Analysis {
  std::string name;
  std::vector<LayerRow> layers;
  int64_t parameters = 0;  // elements of trained parameters (running statistics do not count)
  // Multiplies of convolutions and matrix products alone, as torchvision's tables count them.
  int64_t macs = 0;
};

Analysis analyse(const Graph& graph);

}  // namespace ag
