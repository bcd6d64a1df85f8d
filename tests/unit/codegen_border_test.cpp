// First layers: convolutions of a few channels that test for the border of an image without a halo.
#include <doctest/doctest.h>

#include "ir/ops/activation.h"
#include "ir/ops/pointwise.h"
#include "tests/contraction_check.h"

using namespace ag;

namespace {

template <int64_t height, int64_t width>
void colours(Body& b) {
  conv_case(b, {1, 3, height, width}, {32, 3, 3, 3}, {.stride = {2, 2}, .padding = {1, 1, 1, 1}});
}

// relu(conv(x, w) + bias), two images
void greys(Body& b) {
  Tensor y = conv(b.input("x", {2, 1, 17, 24}), b.input("w", {20, 1, 3, 3}),
                  {.padding = {1, 1, 1, 1}});
  b.graph.add_output("y", relu(y + b.input("bias", {1, 20, 1, 1})).value());
}

const Case kCases[] = {
    {"stride 2, even: nothing behind the image is read", "conv", colours<32, 64>, "conv_direct",
     false},
    {"stride 2, odd", "conv", colours<33, 31>, "conv_direct", false},
    {"one channel, bias, two images", "conv", greys, "conv_direct", false},
    {"padding that differs from side to side, 2x3 taps, dilated", "conv",
     [](Body& b) {
       conv_case(b, {1, 2, 12, 13}, {16, 2, 2, 3},
                 {.padding = {0, 2, 3, 1}, .rhs_dilation = {1, 2}});
     },
     "conv_direct", false},
    {"all of a row is border", "conv",
     [](Body& b) {
       conv_case(b, {1, 3, 1, 2}, {16, 3, 3, 3}, {.padding = {2, 2, 2, 2}});
     },
     "conv_direct", false},
};

bool tests_border(void (*build)(Body&), bool halo) {
  Body body;
  build(body);
  const Case test{"a convolution", "conv", build, "conv_direct", halo};
  const KernelRequest request = request_for(test, body.graph, find_target("x86-64-v4"));
  return request.schedule.find("tests_border=1") != std::string::npos;
}

}  // namespace

TEST_CASE("first layers that test for the border compute what the interpreter computes") {
  check_cases(kCases);
}

TEST_CASE("only images without a halo are tested, by kernels of a few channels and taps") {
  CHECK(tests_border(colours<32, 64>, false));
  CHECK_FALSE(tests_border(colours<32, 64>, true));
  const auto many_channels = [](Body& b) {
    conv_case(b, {1, 16, 32, 32}, {32, 16, 3, 3}, {.padding = {1, 1, 1, 1}});
  };
  const auto many_taps = [](Body& b) {
    conv_case(b, {1, 3, 32, 32}, {32, 3, 7, 7}, {.padding = {3, 3, 3, 3}});
  };
  CHECK_FALSE(tests_border(many_channels, false));
  CHECK_FALSE(tests_border(many_taps, false));
}
