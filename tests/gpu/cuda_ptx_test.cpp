// The PTX of CUDA programs, assembled for real devices' instruction sets without one: kernels of op
// cases, of every network of the zoo and of every training step pass ptxas for sm_80 and sm_90,
// spill nothing and fit a multiprocessor. Nothing is run.
//
// The zoo has thousands of kernels, of which many differ by the sizes of tensors alone. One of each
// kind is assembled with ARGENT_ZOO=kinds (PtxKernels::keep_kinds) and the rest is counted;
// ARGENT_ZOO=all takes every kernel, and a network's name every kernel of that network. Nothing is
// remembered between runs.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>

#include "frontend/zoo/zoo.h"
#include "tests/gpu/device_cases.h"
#include "tests/gpu/ptx_kernels.h"
#include "tests/op_cases.h"
#include "train/training_step.h"

using namespace ag;

namespace {

const std::set<std::string> kInHalves{"relu", "add", "reduce_sum", "matmul", "conv", "softmax"};
void add_op_cases(PtxKernels& kernels) {
  std::set<std::string> seen;  // one row of each op, and its gradient
  for (const OpCase& row : op_cases()) {
    if (!seen.insert(row.op).second) continue;
    kernels.add(row.name(), build_gradient_case(row, row.dtypes[0]).graph);
    for (DType half : {DType::f16, DType::bf16}) {
      if (kInHalves.contains(row.op)) kernels.add(row.name(), build_gradient_case(row, half).graph);
    }
  }
  for (const DeviceCase& wanted : device_cases())
    kernels.add(wanted.row.name(), build_gradient_case(wanted.row, DType::f32).graph);
  fmt::print("one row of each of {} ops of {}\n", seen.size(), op_cases().size());
}

// Inference of one example, and a training step of two.
void add_network(PtxKernels& kernels, const ZooEntry& entry) {
  const std::string name(entry.name);
  kernels.add(name, zoo_model(entry.name, 1).forward());
  kernels.add(name + " training", training_step(zoo_model(entry.name, 2), {}).graph);
}

}  // namespace

TEST_CASE("kernels of op cases assemble") {
  for (const char* device : {"sm_80", "sm_90"}) {
    PtxKernels kernels("cuda-" + std::string(device));
    add_op_cases(kernels);
    kernels.compile();
    kernels.assemble(device);
  }
}

TEST_CASE("kernels of LeNet-5 and ResNet-20, and of training them, assemble") {
  PtxKernels kernels("cuda-sm_80");
  for (const char* name : {"lenet5", "resnet20_cifar"}) {
    kernels.add(name, zoo_model(name, 1).forward());
    kernels.add(std::string(name) + " training", training_step(zoo_model(name, 128), {}).graph);
  }
  kernels.compile();
  for (const char* device : {"sm_80", "sm_90"}) kernels.assemble(device);
}

TEST_CASE("kernels of every network of the zoo, and of training it, assemble") {
  const char* variable = std::getenv("ARGENT_ZOO");
  if (!variable) {
    MESSAGE("skipped: set ARGENT_ZOO=kinds, all, or to a network's name");
    return;
  }
  const std::string asked = variable;
  PtxKernels kernels("cuda-sm_80");
  int networks = 0;
  for (const ZooEntry& entry : zoo_entries()) {
    if (asked != "kinds" && asked != "all" && asked != entry.name) continue;
    add_network(kernels, entry);
    ++networks;
  }
  REQUIRE_MESSAGE(networks > 0, "ARGENT_ZOO is no network: " << asked);
  fmt::print("{} networks and their training steps: {} kernels ({})\n", networks, kernels.size(),
             kernels.templates());
  const size_t all = kernels.size();
  if (asked == "kinds") kernels.keep_kinds();
  fmt::print("{} are assembled; {} of a kind with one of them are left out (ARGENT_ZOO=all)\n",
             kernels.size(), all - kernels.size());
  kernels.compile();
  for (const char* device : {"sm_80", "sm_90"}) kernels.assemble(device);
}
