// Programs linked into this process.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

#include "codegen/target.h"
#include "runtime/image.h"
#include "tests/unit/link_program.h"

using namespace ag;
using namespace ag::test;

namespace {

plan::Program program() { return tiny_program("tiny", std::string(host_target().name), 3); }

double error_of(const Array& sum, double bias) {
  const Array vector = ramp({8});
  double worst = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const double expected = std::exp(vector.get_double(i)) + 2 * bias;
    const double difference = std::abs(sum.get_double(i) - expected);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const CompileError& error) {
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("entries run in memory, with one thread and with several") {
  auto loaded = LoadedProgram::in_memory(program());
  for (int threads : {1, 2, 4}) {
    ProgramInstance instance = loaded->instance(threads);
    const Array image = ramp({4, 8});
    for (int repeat = 0; repeat < 100; ++repeat) {
      const std::vector<Array> out =
          instance.run(loaded->entry_index("forward_b4"), std::vector{image});
      REQUIRE(out.size() == 1);
      for (int64_t i = 0; i < 32; ++i) REQUIRE(out[0].get_double(i) == 4 * image.get_double(i));
    }
    const std::vector<Array> sums =
        instance.run(loaded->entry_index("add"), std::vector{ramp({8})});
    CHECK(error_of(sums[0], 3) < 1e-5);
    CHECK(instance.scratch_overflows() == 0);
  }
}

TEST_CASE("state belongs to the instance and keeps its layout to itself") {
  auto loaded = LoadedProgram::in_memory(program());
  ProgramInstance first = loaded->instance(), second = loaded->instance();
  const std::vector image{ramp({4, 8})};
  first.run(0, image);
  first.run(0, image);
  const Array counted = first.get("counter");
  CHECK(counted.shape() == Shape{3});
  CHECK(counted.get_double(0) == 12);  // test_count sees two elements, one pair apart: 0 and 1
  CHECK(second.get("counter").get_double(0) == 10);
  first.set("counter", Array::of<float>({3}, std::vector<float>{1, 2, 3}));
  CHECK(first.get("counter").get_double(2) == 3);
  CHECK(first.get("counter").get_double(1) == 2);
}

TEST_CASE("shared parameters change for all instances after prepare") {
  auto loaded = LoadedProgram::in_memory(program());
  ProgramInstance first = loaded->instance(), second = loaded->instance();
  CHECK(first.get("bias").get_double(7) == 3);
  first.set("bias", Array::of<float>({8}, std::vector<float>(8, 5)));
  const std::vector vector{ramp({8})};
  CHECK(message_of([&] { first.run(1, vector); }).find("argent_prepare") != std::string::npos);
  first.prepare();
  CHECK(error_of(first.run(1, vector)[0], 5) < 1e-5);
  CHECK(error_of(second.run(1, vector)[0], 5) < 1e-5);
  // The program's own bytes are untouched.
  CHECK(error_of(LoadedProgram::in_memory(program())->instance().run(1, vector)[0], 3) < 1e-5);
}

TEST_CASE("baked weights are prepared and fixed") {
  const plan::Program baked = bake_weights(program());
  REQUIRE(baked.prepared);
  CHECK(baked.prepare.empty());
  auto loaded = LoadedProgram::in_memory(baked);
  ProgramInstance instance = loaded->instance();
  CHECK(error_of(instance.run(1, std::vector{ramp({8})})[0], 3) < 1e-5);
  const Array other = Array::of<float>({8}, std::vector<float>(8, 5));
  CHECK(message_of([&] { instance.set("bias", other); }).find("changeable weights") !=
        std::string::npos);
  // Nothing reads the plain bias any more.
  CHECK_FALSE(baked.parameters);
  CHECK(message_of([&] { instance.get("bias"); }).find("no plain copy") != std::string::npos);
}

TEST_CASE("baking keeps the plain parameters that entries read") {
  plan::Program mixed = program();
  mixed.entries[1].steps[1].buffers[1] = kBiasBuffer;  // reads the plain bias
  const plan::Program baked = bake_weights(mixed);
  REQUIRE(baked.parameters);
  CHECK(baked.parameters->size() == 32);  // of 96
  ProgramInstance instance = LoadedProgram::in_memory(baked)->instance();
  CHECK(error_of(instance.run(1, std::vector{ramp({8})})[0], 1.5) < 1e-5);
  CHECK(instance.get("bias").get_double(0) == 3);
}

TEST_CASE("wrong arguments are refused with both values") {
  auto loaded = LoadedProgram::in_memory(program());
  ProgramInstance instance = loaded->instance();
  CHECK(message_of([&] {
          instance.run(0, std::vector{ramp({8, 4})});
        }) == "forward_b4: 'image' has shape [4,8], but [8,4] was given");
  CHECK(message_of([&] {
          instance.run(0, std::vector{Array(DType::f64, {4, 8})});
        }) == "forward_b4: 'image' is f32, but f64 (0) was given");
  CHECK(message_of([&] { instance.run(0, std::vector<Array>{}); }) ==
        "forward_b4 takes 1 inputs and 1 outputs, but 0 and 1 were given");
  CHECK(message_of([&] { instance.set("bias", ramp({9})); }) ==
        "tiny: 'bias' has shape [8], but [9] was given");
  CHECK(message_of([&] { loaded->entry_index("backward"); }) == "tiny has no function 'backward'");
  CHECK(message_of([&] { instance.run(3, std::vector<Array>{}); }) ==
        "tiny has 3 functions, number 3 was asked for");
  CHECK(message_of([&] { loaded->instance(0); }) ==
        "tiny: 0 threads asked for; possible are 1 to 256");
}

TEST_CASE("a kernel's failure names kernel, layer and line") {
  auto loaded = LoadedProgram::in_memory(program());
  for (int threads : {1, 2}) {
    ProgramInstance instance = loaded->instance(threads);
    CHECK(message_of([&] { instance.run(2, std::vector<Array>{}); }) ==
          "fail: kernel 'test_fail' (layer1.0.conv2, net.cpp:13) failed: row 3 is bad");
    const Array image = ramp({4, 8});
    CHECK(instance.run(0, std::vector{image})[0].get_double(31) == 4 * image.get_double(31));
  }
}

TEST_CASE("the plain C calls survive anything") {
  auto loaded = LoadedProgram::in_memory(program());
  const argent_library& library = loaded->library();
  argent_error error;
  argent_network* network = argent_open(&library, &error);
  REQUIRE(network);
  argent_instance* instance = argent_create(network, 1, &error);
  REQUIRE(instance);
  CHECK(argent_close(network) == ARGENT_BUSY);

  const int64_t shape[] = {4, 8};
  float data[33] = {}, result[32] = {};
  argent_tensor in = {data, shape, sizeof(float) * 32, 2, ARGENT_F32};
  argent_tensor out = {result, shape, sizeof result, 2, ARGENT_F32};
  CHECK(argent_run(instance, 0, &in, 1, &out, 1) == ARGENT_OK);
  CHECK(argent_run(instance, 17, &in, 1, &out, 1) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_run(instance, 0, nullptr, 1, &out, 1) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_run(instance, 0, &in, 2, &out, 1) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_run(nullptr, 0, &in, 1, &out, 1) == ARGENT_BAD_ARGUMENT);

  auto code_with = [&](auto change) {
    argent_tensor tensor = in;
    change(tensor);
    return argent_run(instance, 0, &tensor, 1, &out, 1);
  };
  CHECK(code_with([](argent_tensor& t) { t.data = nullptr; }) == ARGENT_BAD_ARGUMENT);
  CHECK(code_with([](argent_tensor& t) { t.shape = nullptr; }) == ARGENT_BAD_ARGUMENT);
  CHECK(code_with([](argent_tensor& t) { t.rank = 1; }) == ARGENT_BAD_SHAPE);
  CHECK(code_with([](argent_tensor& t) { t.rank = 4'000'000'000u; }) == ARGENT_BAD_SHAPE);
  CHECK(code_with([](argent_tensor& t) { t.dtype = 99; }) == ARGENT_BAD_DTYPE);
  CHECK(code_with([](argent_tensor& t) { t.bytes = 4; }) == ARGENT_BAD_SIZE);
  CHECK(code_with([&](argent_tensor& t) { t.data = reinterpret_cast<char*>(data) + 1; }) ==
        ARGENT_BAD_ARGUMENT);
  CHECK(code_with([&](argent_tensor& t) { t.data = result; }) == ARGENT_BAD_ARGUMENT);

  CHECK(argent_get(instance, "nothing", &in) == ARGENT_NOT_FOUND);
  CHECK(argent_get(instance, nullptr, &in) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_set(instance, "bias", nullptr) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_step_times(instance, 0, nullptr, 0) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_set_threads(instance, 100'000) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_open(nullptr, &error) == nullptr);
  CHECK(error.code == ARGENT_BAD_ARGUMENT);
  argent_library other = library;
  other.abi_version = 77;
  CHECK(argent_open(&other, &error) == nullptr);
  CHECK(error.code == ARGENT_BAD_VERSION);
  CHECK(argent_destroy(instance) == ARGENT_OK);
  CHECK(argent_destroy(nullptr) == ARGENT_OK);
  CHECK(argent_close(network) == ARGENT_OK);
}

TEST_CASE("a processor that lacks instructions, and memory that is not there, are refused") {
  auto loaded = LoadedProgram::in_memory(program());
  rt::Image image = reinterpret_cast<const rt::Image&>(loaded->library());
  argent_error error;
  image.cpu_features |= 1u << 31;
  CHECK(argent_open(&image.description, &error) == nullptr);
  CHECK(error.code == ARGENT_UNSUPPORTED_CPU);
  CHECK(std::string(error.message).find(host_target().name) != std::string::npos);
  image = reinterpret_cast<const rt::Image&>(loaded->library());
  image.image_version = 9;
  CHECK(argent_open(&image.description, &error) == nullptr);
  CHECK(error.code == ARGENT_BAD_VERSION);

  plan::Program huge = program();
  huge.entries[0].arena_bytes = int64_t{1} << 50;
  CHECK(message_of([&] { LoadedProgram::in_memory(huge)->instance(); }) ==
        "tiny: no memory for an instance: 1125899906842624 bytes of arena and 16 of state");
}

TEST_CASE("weights in memory are aligned as those of a library are") {
  auto loaded = LoadedProgram::in_memory(program());
  const auto& image = reinterpret_cast<const rt::Image&>(loaded->library());
  CHECK(reinterpret_cast<uintptr_t>(image.parameters.data) % plan::kStorageAlignment == 0);
}

TEST_CASE("profiles count every step") {
  auto loaded = LoadedProgram::in_memory(program());
  ProgramInstance instance = loaded->instance();
  CHECK_THROWS_AS(instance.step_times(0), CompileError);
  instance.set_profiling(true);
  for (int i = 0; i < 5; ++i) instance.run(0, std::vector{ramp({4, 8})});
  const std::vector<argent_step_time> times = instance.step_times(0);
  REQUIRE(times.size() == 4);
  for (const argent_step_time& time : times) {
    CHECK(time.runs == 5);
    CHECK(time.minimum_ns * 5 <= time.total_ns);
  }
  const argent_entry_info& entry = loaded->library().entries[0];
  CHECK(std::string(entry.steps[2].scope) == "layer1.0.conv2");
  CHECK(entry.steps[2].line == 13);
  CHECK(entry.steps[2].flops == 32);
}

TEST_CASE("a traced run is the steps in order, and tasks of threads within them") {
  auto loaded = LoadedProgram::in_memory(program());
  ProgramInstance instance = loaded->instance(3);
  const Array image = ramp({4, 8});
  Array scaled(DType::f32, {4, 8});
  const Array* in[] = {&image};
  Array* out[] = {&scaled};
  const std::vector<argent_trace_event> events = instance.run_traced(0, in, out, 1000);
  std::vector<argent_trace_event> steps;
  uint32_t tasks = 0;
  for (const argent_trace_event& event : events) {
    CHECK(event.begin_ns <= event.end_ns);
    CHECK(event.thread < 3);
    if (event.tasks == 0) {
      CHECK(event.step == steps.size());
      if (!steps.empty()) CHECK(event.begin_ns >= steps.back().end_ns);
      steps.push_back(event);
      continue;
    }
    tasks += event.tasks;
    REQUIRE(event.step == steps.back().step);  // sorted by their begin
    CHECK(event.begin_ns >= steps.back().begin_ns);
    CHECK(event.end_ns <= steps.back().end_ns);
  }
  CHECK(steps.size() == 4);
  CHECK(tasks == 8);  // two loops over four rows
  CHECK(scaled.get_double(31) == 4 * image.get_double(31));

  // What there is no room for is dropped, and a run after it is traced no more.
  CHECK(instance.run_traced(0, in, out, 2).size() == 2);
  CHECK(instance.run_traced(0, in, out, 0).empty());
  instance.run(0, in, out);
  argent_trace_room room = {nullptr, 8, 0};
  argent_network* network = argent_open(&loaded->library(), nullptr);
  argent_instance* other = argent_create(network, 1, nullptr);
  REQUIRE(other);
  CHECK(argent_trace(other, &room) == ARGENT_BAD_ARGUMENT);
  CHECK(std::string(argent_message(other)).find("room for 8 events") != std::string::npos);
  CHECK(argent_trace(nullptr, &room) == ARGENT_BAD_ARGUMENT);
  CHECK(argent_destroy(other) == ARGENT_OK);
  CHECK(argent_close(network) == ARGENT_OK);
}

TEST_CASE("steps have their schedules and the memory that is alive") {
  plan::Program detailed = program();
  detailed.entries[1].steps[1].schedule = "pointwise{parallel=0}";
  detailed.entries[1].steps[1].live_bytes = 32;
  auto loaded = LoadedProgram::in_memory(detailed);
  const std::span<const argent_step_detail> details = step_details(loaded->library(), 1);
  REQUIRE(details.size() == 2);
  CHECK(std::string(details[0].schedule).empty());
  CHECK(std::string(details[1].schedule) == "pointwise{parallel=0}");
  CHECK(details[1].live_bytes == 32);
  argent_library older = loaded->library();
  older.struct_bytes = offsetof(argent_library, step_details);
  CHECK(step_details(older, 1).empty());
}

TEST_CASE("instances serve from many threads at once") {
  auto loaded = LoadedProgram::in_memory(program());
  std::vector<std::thread> servers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    servers.emplace_back([&, t] {
      ProgramInstance instance = loaded->instance(1 + t % 3);
      const Array image = ramp({4, 8});
      for (int i = 0; i < 300; ++i) {
        const Array out = instance.run(0, std::vector{image})[0];
        for (int64_t e = 0; e < 32; ++e) wrong += out.get_double(e) != 4 * image.get_double(e);
      }
    });
  }
  for (std::thread& server : servers) server.join();
  CHECK(wrong == 0);
}

TEST_CASE("a planner's mistake is found before anything runs") {
  plan::Program outside = program();
  outside.buffers[kMiddle].offset = 200;
  CHECK_THROWS_AS(LoadedProgram::in_memory(outside), InternalError);
  plan::Program unknown = program();
  unknown.entries[0].steps[1].kernel = "no_such_kernel";
  CHECK_THROWS_AS(LoadedProgram::in_memory(unknown), InternalError);
}

TEST_CASE("code for another machine is not run here") {
  const plan::Program other = tiny_program("tiny", "aarch64", 1);
  if (host_target().name == "aarch64") return;
  CHECK(message_of([&] { LoadedProgram::in_memory(other); }).find("aarch64 cannot run here") !=
        std::string::npos);
}

TEST_CASE("perf finds the names of code in memory when they are asked for") {
  const std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  LoadedProgram::in_memory(program());
  CHECK_FALSE(std::filesystem::exists(path));
  setenv("ARGENT_PERF_MAP", "1", 1);
  const auto loaded = LoadedProgram::in_memory(program());
  unsetenv("ARGENT_PERF_MAP");
  const std::vector<std::byte> bytes = read_file(path);
  std::filesystem::remove(path);
  std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::map<std::string, uint64_t> sizes;
  for (std::string line; std::getline(lines, line);) {
    uint64_t start = 0, size = 0;
    int name = 0;
    REQUIRE(std::sscanf(line.c_str(), "%" SCNx64 " %" SCNx64 " %n", &start, &size, &name) == 2);
    CHECK(start != 0);
    sizes[line.substr(static_cast<size_t>(name))] = size;
  }
  CHECK(sizes["conv1 test_scale and 2 more"] > 0);
  CHECK(sizes["test_count"] > 0);
  CHECK(sizes["tiny_forward_b4"] > 0);
}
