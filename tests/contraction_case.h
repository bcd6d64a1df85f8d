// Kernels of convolutions and matrix products, as tests ask for them.
#pragma once

#include "codegen/kernel/worker_pool.h"
#include "codegen/plan/buffer_form.h"
#include "codegen/schedule/choose.h"
#include "codegen/schedule/layout_model.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/print.h"
#include "passes/halo.h"

namespace ag {

// A kernel's body under construction.
struct Body {
  Graph graph{"body"};
  Tensor input(const std::string& name, Shape shape) {
    return {graph, graph.add_leaf(ops::input, name, f32(std::move(shape)), {})};
  }
};

struct Case {
  std::string name;
  std::string kernel_class;
  void (*build)(Body&);
  std::string expected_schedule;  // its name
  bool halo = true;
};

// The request as the planner makes it, with the layouts the schedules want.
inline KernelRequest request_for(const Case& test, const Graph& body, const Target& target) {
  const LayoutDemands demands = CpuLayoutModel(target).demands(body, test.kernel_class);
  const std::vector<Value> leaves = body_leaves(body);
  KernelRequest request;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const TensorType type =
        body.type(leaves[i]).with_layout(demands.operands[i].value_or(Layout()));
    const Halo halo = test.halo ? halo_wanted(body, i) : Halo{};
    request.operands.push_back(plan::form_of(type, halo));
  }
  for (size_t i = 0; i < body.outputs().size(); ++i) {
    const TensorType type =
        body.type(body.outputs()[i].value).with_layout(demands.results[i].value_or(Layout()));
    request.results.push_back(plan::form_of(type, {}));
  }
  request.symbol = "kernel";
  request.text = print(body, {.locations = false});
  request.schedule =
      choose_schedule({body, test.kernel_class, request.operands, request.results, target}).text();
  request.target = target.name;
  return request;
}

inline void conv_case(Body& body, Shape lhs, Shape rhs, ConvOptions options) {
  Tensor y = conv(body.input("x", std::move(lhs)), body.input("w", std::move(rhs)), options);
  body.graph.add_output("y", y.value());
}

// relu(conv(x, w) + bias + r)

}  // namespace ag
