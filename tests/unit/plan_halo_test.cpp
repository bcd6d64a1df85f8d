// The boxes that are zeroed around a tensor: every element of its halo, and none of its own.
#include <doctest/doctest.h>

#include <vector>

#include "codegen/plan/buffer_form.h"

using namespace ag;

namespace {

// Marks the elements of a box in a buffer that begins `origin` elements before the tensor's first.
void mark(const plan::Box& box, int64_t origin, std::vector<bool>& marked) {
  std::vector<int64_t> elements{origin + box.offset / 4};
  for (const plan::BufferDim& dim : box.dims) {
    std::vector<int64_t> more;
    for (int64_t first : elements) {
      for (int64_t i = 0; i < dim.extent; ++i) more.push_back(first + i * dim.stride);
    }
    elements = std::move(more);
  }
  for (int64_t element : elements) {
    REQUIRE(element >= 0);
    REQUIRE(element < static_cast<int64_t>(marked.size()));
    marked[static_cast<size_t>(element)] = true;
  }
}

std::vector<bool> own_elements(const BufferForm& form, int64_t origin, size_t size) {
  plan::Box box;
  box.dims = plan::dims_of(form);
  std::vector<bool> own(size, false);
  mark(box, origin, own);
  return own;
}

}  // namespace

TEST_CASE("halos are zeroed whole, and nothing else") {
  struct Case {
    const char* layout;
    Shape shape;
    Integers low, high;
    size_t boxes;
  };
  const Case cases[] = {
      {"aBcd8b", {2, 16, 3, 5}, {0, 0, 1, 1}, {0, 0, 1, 1}, 3},  // ends of rows meet
      {"aBcd8b", {2, 12, 3, 5}, {0, 0, 2, 1}, {0, 0, 1, 3}, 3},
      {"aBcd8b", {1, 8, 4, 4}, {0, 0, 0, 0}, {0, 0, 1, 1}, 2},  // behind only
      {"aBcd8b", {1, 8, 4, 4}, {0, 0, 0, 1}, {0, 0, 1, 1}, 3},
      {"abcd", {2, 3, 4, 4}, {0, 0, 1, 1}, {0, 0, 1, 1}, 3},
      {"aBc8b", {2, 16, 7}, {0, 0, 2}, {0, 0, 2}, 2},  // no rows
      {"aBcde8b", {2, 8, 3, 4, 5}, {0, 0, 1, 1, 1}, {0, 0, 1, 1, 1}, 4},
  };
  for (const Case& test : cases) {
    CAPTURE(test.layout);
    const int rank = static_cast<int>(test.shape.size());
    const TensorType type = f32(test.shape).with_layout(Layout::parse(test.layout, rank));
    const BufferForm form = plan::form_of(type, {test.low, test.high});
    const std::vector<plan::Box> boxes = plan::halo_boxes(form);
    CHECK(boxes.size() == test.boxes);
    const auto size = static_cast<size_t>(plan::bytes_of(form) / 4);
    const int64_t origin = plan::origin_of(form) / 4;
    std::vector<bool> zeroed(size, false);
    for (const plan::Box& box : boxes) mark(box, origin, zeroed);
    const std::vector<bool> own = own_elements(form, origin, size);
    for (size_t i = 0; i < size; ++i) CHECK(zeroed[i] != own[i]);
  }
}
