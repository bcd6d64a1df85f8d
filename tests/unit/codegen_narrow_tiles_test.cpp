// Convolutions for sixteen registers: tiles of two widths, vectors of weights one by one, rows of
// inputs outside of panels.
#include <doctest/doctest.h>

#include "ir/ops/pointwise.h"
#include "tests/contraction_check.h"

using namespace ag;

namespace {

template <int64_t inputs, int64_t outputs, int64_t height, int64_t width>
void pointwise_conv(Body& b) {
  conv_case(b, {1, inputs, height, width}, {outputs, inputs, 1, 1}, {});
}

template <int64_t inputs, int64_t outputs, int64_t columns>
void columns_conv(Body& b) {
  conv_case(b, {1, inputs, columns}, {outputs, inputs, 1}, {});
}

// relu(conv(x, w) + bias + r)
void residual(Body& b) {
  Tensor y = conv(b.input("x", {2, 72, 5, 14}), b.input("w", {96, 72, 1, 1}), {});
  y = relu(y + b.input("bias", {1, 96, 1, 1}) + b.input("r", {2, 96, 5, 14}));
  b.graph.add_output("y", y.value());
}

// SiLU of a convolution
void gated(Body& b) {
  Tensor y = conv(b.input("x", {1, 48, 14, 14}), b.input("w", {96, 48, 1, 1}), {});
  b.graph.add_output("y", (y * sigmoid(y)).value());
}

const Case kCases[] = {
    {"1x1 @14: four tiles of three columns and one of two", "conv", pointwise_conv<96, 64, 14, 14>,
     "conv_direct"},
    {"1x1 @7: three, two and two columns", "conv", pointwise_conv<96, 64, 7, 7>, "conv_direct"},
    {"1x1 @7, two vectors: four and three columns", "conv", pointwise_conv<96, 48, 3, 7>,
     "conv_direct"},
    {"1x1 @28: two spans of fourteen", "conv", pointwise_conv<64, 64, 5, 28>, "conv_direct"},
    {"1x1 @7, in passes", "conv", pointwise_conv<640, 32, 7, 7>, "conv_direct"},
    {"1x1 @28, in passes, several spans", "conv", pointwise_conv<528, 32, 4, 28>, "conv_direct"},
    {"1x1, bias, residual, two images", "conv", residual, "conv_direct"},
    {"1x1, SiLU", "conv", gated, "conv_direct"},
    {"1x1, rows outside of panels, the last part lower", "conv", pointwise_conv<256, 256, 29, 28>,
     "conv_direct"},
    {"one axis, columns outside of panels, the last ones fewer", "conv", columns_conv<64, 96, 2051>,
     "conv_direct"},
    {"1x1 stride 2, rows outside of panels", "conv",
     [](Body& b) {
       conv_case(b, {1, 128, 56, 56}, {256, 128, 1, 1}, {.stride = {2, 2}});
     },
     "conv_direct"},
    {"3x3 @7 in groups of four vectors", "conv",
     [](Body& b) {
       conv_case(b, {1, 64, 7, 7}, {64, 32, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 2});
     },
     "conv_direct"},
    {"depthwise 5x5, rows of taps in a loop", "conv",
     [](Body& b) {
       conv_case(b, {1, 24, 14, 14}, {24, 1, 5, 5}, {.padding = {2, 2, 2, 2}, .groups = 24});
     },
     "conv_direct"},
};

bool has(const std::string& schedule, std::string_view parameter) {
  return schedule.find(parameter) != std::string::npos;
}

}  // namespace

TEST_CASE("tiles for sixteen registers compute what the interpreter computes") {
  check_cases(kCases);
}

TEST_CASE("sixteen registers hold three positions by four vectors, the rest of a row has its own") {
  const std::string at14 = schedule_of(pointwise_conv<512, 512, 14, 14>, "x86-64-v3");
  CAPTURE(at14);
  for (const char* expected :
       {"tile_x=3,", "tile_y=1,", "tile_k=4,", "span_x=", "blocks_outside=1"})
    CHECK(has(at14, expected));
  // 3 + 2 and 2: at least eight sums in each tile.
  const std::string at7 = schedule_of(pointwise_conv<512, 512, 7, 7>, "x86-64-v3");
  CAPTURE(at7);
  CHECK(has(at7, "tile_x=3,"));
  CHECK(has(at7, "span_x=5,"));
}

TEST_CASE("a long epilogue has loops of its own") {
  CHECK(has(schedule_of(gated, "x86-64-v3"), "split_epilogue=1"));
  CHECK(!has(schedule_of(gated, "x86-64-v4"), "split_epilogue"));
  CHECK(!has(schedule_of(pointwise_conv<96, 64, 14, 14>, "x86-64-v3"), "split_epilogue"));
}

TEST_CASE("panels share rows of inputs that leave the second-level cache") {
  CHECK(has(schedule_of(pointwise_conv<256, 256, 56, 56>, "x86-64-v3"), "rows_outside=1"));
  CHECK(!has(schedule_of(pointwise_conv<64, 256, 28, 28>, "x86-64-v3"), "rows_outside"));
  CHECK(!has(schedule_of(pointwise_conv<256, 16, 56, 56>, "x86-64-v3"), "rows_outside"));
}

TEST_CASE(
    "panels share columns of inputs that leave the second-level cache, in vectors of any width") {
  for (const char* target : {"x86-64-v3", "x86-64-v4"}) {
    CAPTURE(target);
    CHECK(has(schedule_of(columns_conv<256, 256, 4096>, target), "rows_outside=1"));
    CHECK(!has(schedule_of(columns_conv<256, 256, 256>, target), "rows_outside"));
    CHECK(!has(schedule_of(columns_conv<256, 16, 4096>, target), "rows_outside"));
  }
}

TEST_CASE("thirty-two registers keep tiles of one width") {
  for (const auto build : {pointwise_conv<512, 512, 14, 14>, pointwise_conv<512, 512, 7, 7>,
                           pointwise_conv<256, 256, 56, 56>}) {
    const std::string schedule = schedule_of(build, "x86-64-v4");
    CAPTURE(schedule);
    for (const char* parameter : {"span_x", "blocks_outside", "rows_outside"})
      CHECK(!has(schedule, parameter));
  }
}
