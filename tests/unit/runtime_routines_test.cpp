#include <doctest/doctest.h>

#include <vector>

#include "runtime/image.h"

namespace {

halide_buffer_t buffer_of(std::vector<float>& values, std::vector<halide_dimension_t>& dims,
                          size_t offset = 0) {
  halide_buffer_t buffer{};
  buffer.host = reinterpret_cast<uint8_t*>(values.data() + offset);
  buffer.type = {2, 32, 1};
  buffer.dimensions = static_cast<int32_t>(dims.size());
  buffer.dim = dims.data();
  return buffer;
}

// Indices of the elements that are zero.
std::vector<size_t> zeros(const std::vector<float>& values) {
  std::vector<size_t> result;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) result.push_back(i);
  }
  return result;
}

}  // namespace

TEST_CASE("boxes are zeroed and nothing else") {
  std::vector<halide_dimension_t> dims = {{0, 3, 1, 0}, {0, 2, 5, 0}};
  const halide_dimension_t column[] = {{0, 1, 1, 0}, {0, 4, 5, 0}};
  const halide_dimension_t row[] = {{0, 5, 1, 0}, {0, 1, 5, 0}};
  const halide_dimension_t steps[] = {{0, 2, 2, 0}, {0, 2, 10, 0}};
  const halide_dimension_t none[] = {{0, 3, 1, 0}, {0, 0, 5, 0}};
  struct Case {
    const halide_dimension_t* dims;
    int64_t offset, dimensions;
    std::vector<size_t> expected;
  };
  const Case cases[] = {{column, -6, 2, {0, 5, 10, 15}},
                        {row, -6, 2, {0, 1, 2, 3, 4}},
                        {steps, 0, 2, {6, 8, 16, 18}},
                        {none, 0, 2, {}},
                        {nullptr, 1, 0, {7}}};
  for (const Case& c : cases) {
    std::vector<float> values(20, 1);
    const halide_buffer_t buffer = buffer_of(values, dims, 6);
    const ag::rt::BoxRecord box = {c.offset * 4, c.dims, c.dimensions};
    argent_rt_zero_boxes(&buffer, &box, 1);
    CHECK(zeros(values) == c.expected);
  }
}

TEST_CASE("rows of sixteen channels are zeroed one by one and together") {
  std::vector<float> values(16 * 12, 1);
  std::vector<halide_dimension_t> dims = {{0, 16, 1, 0}, {0, 4, 16, 0}, {0, 3, 64, 0}};
  const halide_buffer_t buffer = buffer_of(values, dims);
  const halide_dimension_t left[] = {{0, 16, 1, 0}, {0, 1, 16, 0}, {0, 3, 64, 0}};
  const halide_dimension_t top[] = {{0, 16, 1, 0}, {0, 4, 16, 0}, {0, 1, 64, 0}};
  const ag::rt::BoxRecord boxes[] = {{0, left, 3}, {0, top, 3}};
  argent_rt_zero_boxes(&buffer, boxes, 2);
  for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == (i < 64 || i % 64 < 16 ? 0 : 1));
}

TEST_CASE("copies go between any strides") {
  std::vector<float> from(24), to(40, -1);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  // [2,3,4] row-major to a transposed, padded place.
  std::vector<halide_dimension_t> dense = {{0, 4, 1, 0}, {0, 3, 4, 0}, {0, 2, 12, 0}};
  std::vector<halide_dimension_t> moved = {{0, 4, 10, 0}, {0, 3, 1, 0}, {0, 2, 4, 0}};
  const halide_buffer_t source = buffer_of(from, dense), destination = buffer_of(to, moved);
  argent_rt_copy(&source, &destination);
  for (size_t a = 0; a < 2; ++a) {
    for (size_t b = 0; b < 3; ++b) {
      for (size_t c = 0; c < 4; ++c) CHECK(to[a * 4 + b + c * 10] == from[a * 12 + b * 4 + c]);
    }
  }
  CHECK(to[3] == -1);
  std::vector<float> again(24);
  const halide_buffer_t back = buffer_of(again, dense);
  argent_rt_copy(&destination, &back);
  CHECK(again == from);
}
