#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "runtime/instance.h"

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

// What /proc/self/smaps says of the mapping that holds an address: its line "VmFlags:".
std::string mapping_flags(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  std::ifstream maps("/proc/self/smaps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long long first = 0, last = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &first, &last) == 2)
      inside = first <= wanted && wanted < last;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

}  // namespace

TEST_CASE("large storages are zero and ask for large pages") {
  constexpr uint64_t kLarge = 2 << 20;
  for (const uint64_t bytes : {uint64_t{1000}, kLarge, 3 * kLarge + 77}) {
    CAPTURE(bytes);
    uint8_t* storage = ag::rt::allocate_storage(bytes);
    REQUIRE(storage);
    CHECK(reinterpret_cast<uintptr_t>(storage) % ag::rt::kStorageAlignment == 0);
    CHECK(std::count(storage, storage + bytes, 0) == static_cast<int64_t>(bytes));
    if (std::filesystem::exists("/sys/kernel/mm/transparent_hugepage")) {
      CHECK((mapping_flags(storage).find(" hg ") != std::string::npos) == (bytes >= kLarge));
    }
    ag::rt::free_storage(storage);
  }
  CHECK(ag::rt::allocate_storage(ag::rt::kMostStorage + 1) == nullptr);
}

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
    ag::rt::zero_part({&buffer, &box, 1}, 0, 1);
    CHECK(zeros(values) == c.expected);
  }
}

TEST_CASE("rows of sixteen and of eight channels are zeroed one by one and together") {
  for (const int channels : {16, 8}) {
    const int row = 4 * channels;
    std::vector<float> values(static_cast<size_t>(row) * 3, 1);
    std::vector<halide_dimension_t> dims = {
        {0, channels, 1, 0}, {0, 4, channels, 0}, {0, 3, row, 0}};
    const halide_buffer_t buffer = buffer_of(values, dims);
    const halide_dimension_t left[] = {{0, channels, 1, 0}, {0, 1, channels, 0}, {0, 3, row, 0}};
    const halide_dimension_t top[] = {{0, channels, 1, 0}, {0, 4, channels, 0}, {0, 1, row, 0}};
    const ag::rt::BoxRecord boxes[] = {{0, left, 3}, {0, top, 3}};
    ag::rt::zero_part({&buffer, boxes, 2}, 0, 1);
    for (int i = 0; i < 3 * row; ++i)
      CHECK(values[static_cast<size_t>(i)] == (i < row || i % row < channels ? 0 : 1));
  }
}

TEST_CASE("each row of a box is zeroed by one of any number of parts") {
  std::vector<halide_dimension_t> dims = {{0, 2, 1, 0}, {0, 5, 2, 0}, {0, 7, 10, 0}};
  const halide_dimension_t left[] = {{0, 2, 1, 0}, {0, 1, 2, 0}, {0, 7, 10, 0}};  // 7 rows of 2
  const ag::rt::BoxRecord box = {0, left, 3};
  for (uint32_t parts = 1; parts <= 9; ++parts) {
    std::vector<float> values(70, 1);
    const halide_buffer_t buffer = buffer_of(values, dims);
    for (uint32_t part = 0; part < parts; ++part) {
      const size_t before = zeros(values).size(), least = 7 / parts * 2;
      ag::rt::zero_part({&buffer, &box, 1}, part, parts);
      const size_t now = zeros(values).size();
      CHECK(now - before >= least);
      CHECK(now - before <= least + 2);
    }
    CHECK(zeros(values) ==
          std::vector<size_t>{0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 61});
  }
}

TEST_CASE("the tasks of a kernel's loop zero what waits for it") {
  ag::rt::Instance instance{};
  ag::rt::Worker workers[2] = {};
  void* contexts[2] = {&workers[0], &workers[1]};
  for (uint32_t i = 0; i < 2; ++i) {
    workers[i].instance = &instance;
    workers[i].index = i;
  }
  instance.threads = 2;
  instance.workers = workers;
  instance.contexts = contexts;
  instance.shares_loops = true;
  const ag::rt::PoolFunctions& pool = ag::rt::thread_pool();
  REQUIRE(pool.reserve(1));
  std::vector<halide_dimension_t> dims = {{0, 2, 1, 0}, {0, 5, 2, 0}, {0, 7, 10, 0}};
  const halide_dimension_t left[] = {{0, 2, 1, 0}, {0, 1, 2, 0}, {0, 7, 10, 0}};
  const ag::rt::BoxRecord box = {0, left, 3};
  const auto count_task = [](void*, int, uint8_t* closure) {
    reinterpret_cast<std::atomic<int>*>(closure)->fetch_add(1);
    return 0;
  };
  for (int size = 0; size <= 40; ++size) {  // one task or none: there is no loop to share
    std::vector<float> values(70, 1);
    const halide_buffer_t buffer = buffer_of(values, dims);
    instance.team = pool.borrow(1);
    argent_rt_zero_boxes(&workers[0], &buffer, &box, 1);
    CHECK(zeros(values).empty());
    std::atomic<int> tasks{0};
    CHECK(halide_do_par_for(&workers[0], count_task, 3, size, reinterpret_cast<uint8_t*>(&tasks)) ==
          0);
    CHECK(zeros(values).size() == (size > 1 ? 14 : 0));
    argent_rt_zero_rest(&workers[0]);
    CHECK(zeros(values).size() == 14);
    CHECK(tasks == size);
    pool.give_back(instance.team);
  }
  pool.unreserve();
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
