// Kernels of contractions against the reference interpreter.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "codegen/kernel/worker_pool.h"
#include "ir/interpret.h"
#include "tests/contraction_case.h"
#include "tests/kernel_runner.h"

namespace ag {

inline ReferenceTensor random_tensor(const Shape& shape, uint32_t seed) {
  ReferenceTensor tensor(DType::f32, shape);
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> draw(-1.0f, 1.0f);
  for (double& value : tensor.floats) value = draw(engine);
  return tensor;
}

inline double largest_error(const ReferenceTensor& a, const ReferenceTensor& b) {
  double scale = 1e-3, error = 0;
  for (double value : b.floats) scale = std::max(scale, std::abs(value));
  for (int64_t i = 0; i < a.count(); ++i) {
    const double difference = std::abs(a.floats[i] - b.floats[i]);
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
  }
  return error / scale;
}

// The default schedule of a contraction for a target.
inline std::string schedule_of(void (*build)(Body&), const char* target) {
  Body body;
  build(body);
  return request_for({"a contraction", "conv", build, "conv_direct"}, body.graph,
                     find_target(target))
      .schedule;
}

inline void check_kernel(const Case& test, const Graph& body, const KernelRequest& request,
                         const KernelOutcome& outcome) {
  CAPTURE(test.name);
  CAPTURE(request.schedule);
  CAPTURE(request.target);
  REQUIRE_MESSAGE(outcome.status == KernelStatus::ok, outcome.message);
  KernelRunner runner(request, outcome.result.object);
  Bindings bindings;
  const std::vector<Value> leaves = body_leaves(body);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const ReferenceTensor value =
        random_tensor(body.type(leaves[i]).shape, static_cast<uint32_t>(i));
    runner.set_operand(i, value);
    bindings.emplace(body.leaf_name(leaves[i]), value);
  }
  runner.poison_results();
  runner.run();
  const std::vector<ReferenceTensor> expected = interpret(body, bindings);
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(largest_error(runner.result(i), expected[i]) < 1e-5);
    CHECK(runner.surroundings_intact(i));
  }
}

// Each case for AVX2 and for the best this machine has.
inline void check_cases(std::span<const Case> cases) {
  struct Compiled {
    const Case* test;
    std::unique_ptr<Body> body;
  };
  std::vector<Compiled> all;
  std::vector<KernelRequest> requests;
  for (const Target* target : {&find_target("x86-64-v3"), &host_target()}) {
    if (!is_runnable(*target)) continue;
    for (const Case& test : cases) {
      auto body = std::make_unique<Body>();
      test.build(*body);
      requests.push_back(request_for(test, body->graph, *target));
      CAPTURE(test.name);
      CHECK(requests.back().schedule.starts_with(test.expected_schedule + "{"));
      all.push_back({&test, std::move(body)});
    }
  }
  const std::vector<KernelOutcome> outcomes = WorkerPool::shared().compile_each(requests);
  for (size_t i = 0; i < all.size(); ++i)
    check_kernel(*all[i].test, all[i].body->graph, requests[i], outcomes[i]);
}

}  // namespace ag
