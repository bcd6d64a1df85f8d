// MODEL on the command line: a network of the zoo, a graph in text form, or the user's own C++.
#pragma once

#include <optional>
#include <string>

#include "frontend/model.h"

namespace ag {

struct NetworkOptions {
  int64_t batch = 0;    // 0: 1 for the zoo, else as the file says
  int64_t classes = 0;  // of a zoo network; 0: its own number
  // "1,3,32,32": the input of a C++ function from a tensor to a tensor.
  std::string shape = {};
  // Parameters by name, from a file; empty: none.
  std::string weights = {};
  // First values drawn with this seed, where no weights come with the network.
  std::optional<uint64_t> seed = {};
};

struct NamedNetwork {
  std::string name;
  std::optional<Model> model;  // none for a graph in text form, which cannot be traced again
  Graph graph;                 // for inference
  WeightMap weights;           // empty when none are given
};

// `argument` is
//   resnet50               a name of the zoo
//   net.ag                 a graph in text form
//   net.cpp[:function]     C++ with `Model function()` or `Tensor function(Tensor)`; make_net when
//                          no function is named. Compiled with $CXX (c++) against this
//                          installation's headers and opened in this process.
// Throws CompileError when it is none of these, does not compile, or its function fails, for
// weights that do not fit, and for options that such a network has no use for.
NamedNetwork load_network(const std::string& argument, const NetworkOptions& options = {});

// Whether `argument` is C++.
bool is_cpp_network(const std::string& argument);

// The file that `argument` names: "net.cpp" of "net.cpp:make_net"; else the argument itself.
std::string network_file(const std::string& argument);

// The same as load_network, refusing what has no model: `purpose` ("train") wants to build it anew.
Model load_model(const std::string& argument, const NetworkOptions& options,
                 std::string_view purpose);

}  // namespace ag
