// The text form. print() and parse() (ir/parse.h) are inverse to each other.
#pragma once

#include <string>

#include "ir/graph.h"

namespace ag {

struct PrintOptions {
  bool locations = true;  // "# resnet.cpp:42 layer1.0.conv2" behind each line
};

// The whole graph:
//
//   graph @lenet5(%image: f32[64,1,28,28]) {
//     %conv1.weight: f32[6,1,5,5] = parameter()  # lenet5.cpp:5
//     %1: f32[64,6,28,28] = conv(%image, %conv1.weight, padding=[2,2,2,2])  # lenet5.cpp:5 conv1
//     return logits=%1
//   }
//
// Leaves carry their own name; other values are numbered in order. A node with several results has
// a number for each. An output that is the new value of a parameter or state is written on a line
// of its own: "update conv1.weight=%9". Sub-graphs stand in braces as attribute values.
std::string print(const Graph& graph, PrintOptions options = {});

// "%7": the name print() gives to a value.
std::string print_name(const Graph& graph, Value value);
// One node with the types of its operands: "%7 = conv(%5: f32[…], %6: f32[…], groups=2)". The node
// need not be in the graph yet.
std::string print_application(const Graph& graph, const Node& node);

}  // namespace ag
