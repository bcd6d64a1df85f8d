// The loop nests that the default schedules of convolutions become.
#include <doctest/doctest.h>

#include "codegen/kernel/worker_pool.h"
#include "ir/ops/activation.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "tests/contraction_case.h"

using namespace ag;

namespace {

KernelRequest default_request(const Body& body, const char* target) {
  const Case test{"a convolution", "conv", nullptr, "conv_direct"};
  return request_for(test, body.graph, find_target(target));
}

std::string schedule_of(const Body& body, const char* target = "x86-64-v4") {
  return default_request(body, target).schedule;
}

// Of the default schedule.
std::string nest_of(const Body& body, const char* target = "x86-64-v4") {
  KernelRequest request = default_request(body, target);
  CAPTURE(request.schedule);
  request.explain = true;
  const std::vector<KernelOutcome> outcomes = WorkerPool::shared().compile_each({&request, 1});
  REQUIRE(outcomes[0].status == KernelStatus::ok);
  return outcomes[0].result.loop_nest;
}

int count(const std::string& nest, std::string_view text) {
  int found = 0;
  for (size_t at = 0; (at = nest.find(text, at)) != std::string::npos; ++at) ++found;
  return found;
}

// 48 channels in groups of `width`.
Body narrow_groups(int64_t width) {
  Body body;
  conv_case(body, {1, 48, 8, 8}, {48, width, 3, 3},
            {.padding = {1, 1, 1, 1}, .groups = 48 / width});
  return body;
}

}  // namespace

// An index with a division would make Halide gather the inputs lane by lane, and take minutes.
TEST_CASE("vectors of several narrow groups load inputs at constant distances") {
  for (const int64_t width : {2, 4}) {
    CAPTURE(width);
    const std::string nest = nest_of(narrow_groups(width));
    CHECK(nest.find("in1[ramp(") != std::string::npos);
    for (const char* division : {"shift_right", " % ", "/"}) {
      CHECK(nest.find(division) == std::string::npos);
    }
  }
}

// Halves of a vector, as fast where shuffles keep a port from multiply-adds. A scalar index may be
// divided.
TEST_CASE("groups of 256 bits have vectors of their own and broadcast their inputs") {
  const std::string nest = nest_of(narrow_groups(8));
  CAPTURE(nest);
  CHECK(nest.find("*x8(in1[") != std::string::npos);
  for (const char* other : {"in1[ramp(", ", 1, 16)", "% x", "shift_right", "/"}) {
    CAPTURE(other);
    CHECK(nest.find(other) == std::string::npos);
  }
}

// 24 channels are a vector and a half, in and out.
TEST_CASE("padding lanes are neither summed over nor computed where they are half a vector") {
  Body body;
  conv_case(body, {1, 24, 8, 8}, {24, 24, 1, 1}, {});
  for (const std::string target : {"x86-64-v3", "x86-64-v4"}) {
    CAPTURE(target);
    const std::string nest = nest_of(body, target.c_str());
    CHECK(nest.find(".channel_blocks, 0, 3)") != std::string::npos);
    CHECK(nest.find(".channel, 0, 8)") != std::string::npos);
    CHECK(nest.find("select(") == std::string::npos);
    CAPTURE(nest);
    const bool whole = nest.find(", 1, 16)] + ") != std::string::npos;
    CHECK(whole == (target == "x86-64-v4"));
    CHECK(nest.find(", 1, 8)] + ") != std::string::npos);
  }
}

TEST_CASE("two tiles that cover an image have code of their own and ask for far weights ahead") {
  Body body;
  conv_case(body, {1, 320, 7, 7}, {256, 320, 1, 1}, {});
  CHECK(schedule_of(body).find("tile_x=7,tile_y=4") != std::string::npos);
  const std::string nest = nest_of(body);
  CAPTURE(nest);
  CHECK(count(nest, "prefetch(") == 2);
  CHECK(count(nest, ".channel, 0, 16)") == 2);
  CHECK(count(nest, "if (") == 0);
}

// 208 vectors are a panel; of fewer weights or more tiles each would ask in vain.
TEST_CASE("a few tiles of a panel ask for the weights of the next one") {
  const auto body = [](int64_t channels, int64_t extent) {
    Body b;
    conv_case(b, {1, channels, extent, extent}, {channels, channels, 1, 1}, {});
    return b;
  };
  CHECK(schedule_of(body(208, 14)).find("prefetch=208") != std::string::npos);
  CHECK(count(nest_of(body(208, 14)), "prefetch(") > 0);
  for (const auto& [channels, extent] : {std::pair{96, 14}, {208, 112}}) {
    CAPTURE(channels);
    CHECK(schedule_of(body(channels, extent)).find("prefetch") == std::string::npos);
  }
  CHECK(schedule_of(body(208, 14), "x86-64-v3").find("prefetch") == std::string::npos);
}

TEST_CASE("sums start from a bias that is added to them, and from zero where they are read twice") {
  const auto nest = [](bool read_twice) {
    Body body;
    const Tensor y = conv(body.input("x", {1, 32, 8, 8}), body.input("w", {32, 32, 1, 1}));
    const Tensor bias = broadcast(body.input("b", {32}), {1, 32, 8, 8}, {1});
    Tensor sum = relu(y + bias);
    if (read_twice) sum = sum * y;
    body.graph.add_output("y", sum.value());
    return nest_of(body);
  };
  const std::string biased = nest(false), twice = nest(true);
  CAPTURE(biased);
  CHECK(biased.find("x16(0.000000f)\n") == std::string::npos);  // a sum's first value
  CHECK(biased.find("] = in2[ramp(") != std::string::npos);
  CAPTURE(twice);
  CHECK(twice.find("x16(0.000000f)\n") != std::string::npos);
  CHECK(twice.find("] = in2[ramp(") == std::string::npos);
}
