// Convolutions with the sums of their results beside them.
#include <doctest/doctest.h>

#include "ir/ops/conv.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "tests/contraction_check.h"

using namespace ag;

namespace {

// A layer and the means of its channels.
void layer_and_means(Body& body, Shape lhs, Shape rhs, ConvOptions options) {
  const int64_t outputs = rhs[0];
  Tensor y = conv(body.input("x", std::move(lhs)), body.input("w", std::move(rhs)), options);
  y = relu(y + body.input("bias", {1, outputs, 1, 1}));
  const double positions = static_cast<double>(y.extent(2) * y.extent(3));
  body.graph.add_output("y", y.value());
  body.graph.add_output("mean", (reduce_sum(y, {2, 3}) * (1 / positions)).value());
}

const Case kCases[] = {
    {"depthwise and means, half a vector", "conv",
     [](Body& b) {
       layer_and_means(b, {2, 24, 9, 9}, {24, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 24});
     },
     "conv_direct"},
    {"depthwise and means, stride 2, shared rows", "conv",
     [](Body& b) {
       layer_and_means(b, {1, 40, 56, 57}, {40, 1, 5, 5},
                       {.stride = {2, 2}, .padding = {2, 2, 2, 2}, .groups = 40});
     },
     "conv_direct"},
    {"depthwise and means, prime height, without halo", "conv",
     [](Body& b) {
       layer_and_means(b, {1, 12, 37, 35}, {12, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 12});
     },
     "conv_direct", false},
    {"1x1 and means, seven rows, far weights", "conv",
     [](Body& b) {
       layer_and_means(b, {2, 320, 7, 7}, {232, 320, 1, 1}, {});
     },
     "conv_direct"},
    {"3x3 and means, in passes", "conv",
     [](Body& b) {
       layer_and_means(b, {1, 256, 7, 7}, {192, 256, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "conv_direct"},
    {"groups of eight and means", "conv",
     [](Body& b) {
       layer_and_means(b, {1, 40, 27, 28}, {40, 8, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 5});
     },
     "conv_direct"},
    {"one output channel and its mean", "conv",
     [](Body& b) {
       layer_and_means(b, {2, 16, 9, 9}, {1, 16, 3, 3}, {.padding = {1, 1, 1, 1}});
     },
     "contraction_plain"},
};

// The same kernel with other numbers in its schedule.
KernelRequest with_parameters(KernelRequest request,
                              const std::vector<std::pair<std::string, int64_t>>& parameters) {
  Schedule schedule = Schedule::parse(request.schedule);
  for (const auto& [name, value] : parameters) schedule.values[name] = value;
  request.schedule = schedule.text();
  return request;
}

}  // namespace

TEST_CASE("convolutions with sums compute what the interpreter computes") { check_cases(kCases); }

TEST_CASE("sums are shared out like the convolution whose result they sum: one loop over tasks") {
  Body body;
  layer_and_means(body, {2, 40, 12, 15}, {40, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 40});
  const Case test{"depthwise and means", "conv", nullptr, "conv_direct"};
  const KernelRequest chosen = request_for(test, body.graph, host_target());
  std::vector<KernelRequest> requests;
  for (const int64_t rows : {1, 2, 3, 4, 6, 12}) {
    requests.push_back(
        with_parameters(chosen, {{"tile_x", 5}, {"tile_y", 1}, {"task_rows", rows}}));
    requests.back().explain = true;
  }
  const std::vector<KernelOutcome> outcomes = WorkerPool::shared().compile_each(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    check_kernel(test, body.graph, requests[i], outcomes[i]);
    const std::string& nest = outcomes[i].result.loop_nest;
    const size_t loop = nest.find("halide_do_par_for(");
    CAPTURE(nest);
    CHECK(loop != std::string::npos);
    CHECK(nest.find("halide_do_par_for(", loop + 1) == std::string::npos);
  }
}

TEST_CASE("tasks of unequal rows are refused beside sums") {
  Body body;
  layer_and_means(body, {1, 16, 12, 15}, {16, 1, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 16});
  const Case test{"refused", "conv", nullptr, ""};
  const KernelRequest request = with_parameters(request_for(test, body.graph, host_target()),
                                                {{"tile_x", 5}, {"tile_y", 1}, {"task_rows", 5}});
  const std::vector<KernelOutcome> outcomes = WorkerPool::shared().compile_each({&request, 1});
  CHECK(outcomes[0].message.find("task_rows 5 does not divide the extent 12") != std::string::npos);
}
