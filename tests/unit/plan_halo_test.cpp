// Halos: the boxes that are zeroed around a tensor, and the steps that need not zero them again.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "codegen/compile.h"
#include "codegen/plan/buffer_form.h"
#include "codegen/plan/planner.h"
#include "frontend/zoo/zoo.h"
#include "train/training_step.h"

using namespace ag;

namespace {

// The elements of a box in a buffer that begins `origin` elements before the tensor's first.
std::vector<int64_t> elements_of(const plan::Box& box, int64_t origin) {
  std::vector<int64_t> elements{origin + box.offset / 4};
  for (const plan::BufferDim& dim : box.dims) {
    std::vector<int64_t> more;
    more.reserve(elements.size() * static_cast<size_t>(dim.extent));
    for (int64_t first : elements) {
      for (int64_t i = 0; i < dim.extent; ++i) more.push_back(first + i * dim.stride);
    }
    elements = std::move(more);
  }
  return elements;
}

void mark(const plan::Box& box, int64_t origin, std::vector<bool>& marked, bool as = true) {
  for (int64_t element : elements_of(box, origin)) {
    REQUIRE(element >= 0);
    REQUIRE(element < static_cast<int64_t>(marked.size()));
    marked[static_cast<size_t>(element)] = as;
  }
}

std::vector<bool> own_elements(const BufferForm& form, int64_t origin, size_t size) {
  plan::Box box;
  box.dims = plan::dims_of(form);
  std::vector<bool> own(size, false);
  mark(box, origin, own);
  return own;
}

// Which elements of an arena hold zeros of a halo, step after step.
class HaloWatch {
 public:
  explicit HaloWatch(const plan::ProgramPlan& plan)
      : plan_(plan), zero_(static_cast<size_t>(entry().arena_bytes / 4), false) {}

  int zeroed = 0, kept = 0;

  void run() {
    for (const plan::Step& step : entry().steps) {
      for (const plan::Box& box : step.boxes) set(buffer(step.buffers[0]), box, true);
      zeroed += step.boxes.empty() ? 0 : 1;
      if (!step.kernel.empty()) check_results(step);
    }
  }

 private:
  const plan::Entry& entry() const { return plan_.program.entries[0]; }
  const plan::Buffer& buffer(int index) const {
    return plan_.program.buffers[static_cast<size_t>(index)];
  }

  void set(const plan::Buffer& buffer, const plan::Box& box, bool zero) {
    if (buffer.storage == plan::Storage::arena) mark(box, buffer.offset / 4, zero_, zero);
  }

  bool is_zero(const plan::Buffer& buffer, const plan::Box& box) const {
    const std::vector<int64_t> elements = elements_of(box, buffer.offset / 4);
    return std::all_of(elements.begin(), elements.end(),
                       [&](int64_t element) { return zero_[static_cast<size_t>(element)]; });
  }

  void check_results(const plan::Step& step) {
    const auto request =
        std::find_if(plan_.requests.begin(), plan_.requests.end(),
                     [&](const KernelRequest& r) { return r.symbol == step.kernel; });
    REQUIRE(request != plan_.requests.end());
    for (size_t r = 0; r < request->results.size(); ++r) {
      const plan::Buffer& result = buffer(step.buffers[request->operands.size() + r]);
      plan::Box own;
      own.dims = result.dims;
      set(result, own, false);
    }
    for (size_t r = 0; r < request->results.size(); ++r) {
      const plan::Buffer& result = buffer(step.buffers[request->operands.size() + r]);
      if (result.storage != plan::Storage::arena) continue;
      const std::vector<plan::Box> boxes = plan::halo_boxes(request->results[r]);
      kept += boxes.empty() ? 0 : 1;
      const bool all = std::all_of(boxes.begin(), boxes.end(),
                                   [&](const plan::Box& box) { return is_zero(result, box); });
      INFO(step.name << " at " << step.location.text());
      CHECK(all);
    }
  }

  const plan::ProgramPlan& plan_;
  std::vector<bool> zero_;
};

}  // namespace

TEST_CASE("a halo is zero when its tensor is written, though not every step zeroes it") {
  const auto watch = [](const Graph& graph) {
    const Graph kernels = lower_to_kernels(graph, find_target("x86-64-v4"), {});
    const plan::EntryGraph entry{"main", &kernels};
    const plan::ProgramPlan plan =
        plan::plan_program("network", find_target("x86-64-v4"), {&entry, 1});
    HaloWatch halos(plan);
    halos.run();
    return std::pair(halos.zeroed, halos.kept);
  };
  for (const char* name : {"mobilenet_v2", "resnet18_cifar", "densenet121"}) {
    CAPTURE(name);
    const auto [zeroed, kept] = watch(zoo_model(name).forward());
    CHECK(zeroed < kept);
  }
  const auto [zeroed, kept] = watch(training_step(zoo_model("resnet20_cifar", 2), {}).graph);
  CHECK(zeroed <= kept);
}

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
