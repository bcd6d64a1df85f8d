// The runtime for GPUs against the tests' driver: whole programs run, every error is said and
// leaves nothing behind.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "runtime/cuda.h"
#include "tests/ptx/fake_cuda.h"

using namespace ag::rt;
using ag::ptx::FakeCuda;

namespace {

constexpr uint32_t kCount = 96;  // elements of x and y
constexpr uint64_t kBytes = 4 * kCount;

// y = 2 x + weights + runs so far.
const std::string kPtx = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry twice(.param .u64 twice_0, .param .u64 twice_1) {
  .reg .b32 %t<5>;
  .reg .b64 %d<5>;
  ld.param.u64 %d0, [twice_0];
  ld.param.u64 %d1, [twice_1];
  mov.u32 %t0, %ctaid.x;
  mov.u32 %t1, %tid.x;
  mad.lo.s32 %t0, %t0, 32, %t1;
  mul.wide.u32 %d2, %t0, 4;
  add.s64 %d0, %d0, %d2;
  add.s64 %d1, %d1, %d2;
  ld.global.f32 %t2, [%d0];
  add.f32 %t2, %t2, %t2;
  st.global.f32 [%d1], %t2;
  ret;
}
.visible .entry count(.param .u64 count_0) {
  .reg .b32 %t0;
  .reg .b64 %d0;
  ld.param.u64 %d0, [count_0];
  ld.global.f32 %t0, [%d0];
  add.f32 %t0, %t0, 0f3F800000;
  st.global.f32 [%d0], %t0;
  ret;
}
.visible .entry sum(.param .u64 sum_0, .param .u64 sum_1, .param .u64 sum_2, .param .u64 sum_3) {
  .reg .b32 %t<5>;
  .reg .b64 %d<5>;
  ld.param.u64 %d0, [sum_0];
  ld.param.u64 %d1, [sum_1];
  ld.param.u64 %d2, [sum_2];
  ld.param.u64 %d3, [sum_3];
  ld.global.f32 %t3, [%d2];
  mov.u32 %t1, %tid.x;
  mul.wide.u32 %d2, %t1, 4;
  add.s64 %d0, %d0, %d2;
  add.s64 %d1, %d1, %d2;
  add.s64 %d3, %d3, %d2;
  ld.global.f32 %t0, [%d0];
  ld.global.f32 %t2, [%d1];
  add.f32 %t0, %t0, %t2;
  add.f32 %t0, %t0, %t3;
  st.global.f32 [%d3], %t0;
  ret;
}
)";

// The tables of a program, as the compiler will write them.
struct Tables {
  std::string ptx = kPtx;
  std::vector<float> weights = std::vector<float>(kCount);
  CudaCodeRecord codes[2] = {};
  CudaModuleRecord module{};
  CudaSlotRecord slots[2] = {{"x", kBytes, 0, 0, 0}, {"y", kBytes, 512, 3, 0}};
  CudaArgumentRecord twice[2] = {{0, kCudaSlot, 0}, {1024, kCudaArena, 0}};
  CudaArgumentRecord count[1] = {{0, kCudaState, 0}};
  CudaArgumentRecord sum[4] = {
      {1024, kCudaArena, 0}, {0, kCudaShared, 0}, {0, kCudaState, 0}, {0, kCudaSlot, 1}};
  CudaLaunchRecord launches[3] = {{"twice", twice, 2, 0, {3, 1, 1}, {32, 1, 1}, 0, 1},
                                  {"count", count, 1, 0, {1, 1, 1}, {1, 1, 1}, 0, 2},
                                  {"sum", sum, 4, 0, {1, 1, 1}, {kCount, 1, 1}, 0, 2}};
  CudaEntryRecord entry{"forward", slots, launches, 2048, 1, 1, 3, 4};
  CudaFillRecord fill{};
  CudaImage image{};

  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;
  Tables() {
    for (uint32_t i = 0; i < kCount; ++i) weights[i] = static_cast<float>(i) * 0.5f;
    codes[0] = {ptx.c_str(), ptx.size() + 1, 0, 0};
    module = {codes, 1};
    fill = {reinterpret_cast<const uint8_t*>(weights.data()), kBytes, 0};
    image.description.name = "net";
    image.description.entry_count = 1;
    image.image_version = kCudaImageVersion;
    image.capability = 80;
    image.modules = &module;
    image.entries = &entry;
    image.fills = &fill;
    image.state_bytes = 256;
    image.shared_bytes = kBytes;
    image.module_count = image.fill_count = 1;
  }
};

// The tests' driver. It stays open, so that its state does while the runtime opens and closes it.
struct FakeLibrary {
  void* handle = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);

  template <class F>
  F function(const char* name) const {
    REQUIRE(handle != nullptr);
    return reinterpret_cast<F>(dlsym(handle, name));
  }
};

const FakeLibrary& library() {
  static const FakeLibrary library;
  return library;
}

FakeCuda& fresh_driver() {
  setenv("ARGENT_CUDA_DRIVER", FAKE_CUDA, 1);
  library().function<ag::ptx::FakeCudaReset>("fake_cuda_reset")();
  return library().function<ag::ptx::FakeCudaState>("fake_cuda_state")();
}

std::string alive() { return library().function<ag::ptx::FakeCudaAlive>("fake_cuda_alive")(); }

// An opened program with an instance; `code` and `message` are of the first step that failed.
struct Session {
  Tables tables;
  CudaDevice* device = nullptr;
  CudaProgram* program = nullptr;
  CudaInstance* instance = nullptr;
  char message[ARGENT_MESSAGE_BYTES] = {};
  int code = ARGENT_OK;
  std::vector<float> x = std::vector<float>(kCount), y = std::vector<float>(kCount);

  using Change = void (*)(Tables&);
  explicit Session(
      int index = 0, Change change = [](Tables&) {}) {
    change(tables);
    for (uint32_t i = 0; i < kCount; ++i) x[i] = static_cast<float>(i);
    code = cuda_open(index, &device, message);
    if (code == ARGENT_OK) code = cuda_load(device, &tables.image, &program, message);
    if (code == ARGENT_OK) code = cuda_create(program, &instance, message);
  }
  ~Session() { close(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void close() {
    cuda_destroy(instance);
    cuda_unload(program);
    cuda_close(device);
    instance = nullptr;
    program = nullptr;
    device = nullptr;
  }
  int run() {
    const CudaTensor tensors[] = {{x.data(), kBytes, false}, {y.data(), kBytes, false}};
    return code = cuda_run(instance, 0, tensors, 2, nullptr, message);
  }
  bool right(float runs) const {
    for (uint32_t i = 0; i < kCount; ++i) {
      if (y[i] != 2 * x[i] + static_cast<float>(i) * 0.5f + runs) return false;
    }
    return true;
  }
};

std::string refusal(
    int index = 0, Session::Change change = [](Tables&) {}) {
  const Session session(index, change);
  return fmt::format("{}: {}", session.code, session.message);
}

}  // namespace

TEST_CASE("a program runs: as a graph from the first run on, captured once") {
  FakeCuda& fake = fresh_driver();
  Session session;
  REQUIRE_MESSAGE(session.code == ARGENT_OK, session.message);
  for (int run = 1; run <= 3; ++run) {
    CHECK(session.run() == ARGENT_OK);
    CHECK(session.right(static_cast<float>(run)));
  }
  CHECK(fake.count("cuStreamBeginCapture_v2") == 1);
  CHECK(fake.count("cuLaunchKernel") == 3);  // while it was captured
  CHECK(fake.count("cuGraphLaunch") == 3);
  CHECK(fake.count("cuMemAlloc_v2") == 3);
  CHECK(fake.count("cuMemAlloc_v2 2048") == 1);
  CHECK(fake.count("cuMemcpyHtoDAsync_v2 384") == 4);  // the weights, and x in each run
  CHECK(fake.count("cuLaunchKernel twice 3 32") == 1);
  CHECK(fake.reports == "");
  session.close();
  CHECK(alive() == "");
}

TEST_CASE("a run makes the calls it needs and no more") {
  FakeCuda& fake = fresh_driver();
  Session session;
  REQUIRE(session.run() == ARGENT_OK);
  fake.calls.clear();
  REQUIRE(session.run() == ARGENT_OK);
  CHECK(fake.calls == std::vector<std::string>{"cuCtxPushCurrent_v2", "cuMemcpyHtoDAsync_v2 384",
                                               "cuGraphLaunch", "cuMemcpyDtoHAsync_v2 384",
                                               "cuStreamSynchronize", "cuCtxPopCurrent_v2"});
}

TEST_CASE("a driver that cannot capture launches kernel by kernel") {
  FakeCuda& fake = fresh_driver();
  fake.captures = false;
  Session session;
  CHECK(session.run() == ARGENT_OK);
  CHECK(session.run() == ARGENT_OK);
  CHECK(session.right(2));
  CHECK(fake.count("cuStreamBeginCapture_v2") == 1);  // not tried again
  CHECK(fake.count("cuLaunchKernel") == 6);
  CHECK(fake.count("cuGraphLaunch") == 0);
  session.close();
  CHECK(alive() == "");
}

TEST_CASE("tensors on the device, on the caller's stream: nothing is copied or waited for") {
  FakeCuda& fake = fresh_driver();
  Session session;
  const CudaDriver& driver = session.device->driver;
  const CudaScope scope(*session.device);
  CudaPointer x = 0, y[2] = {};
  CudaStreamHandle* stream = nullptr;
  REQUIRE(driver.allocate(&x, kBytes) == 0);
  for (CudaPointer& pointer : y) REQUIRE(driver.allocate(&pointer, kBytes) == 0);
  REQUIRE(driver.stream_create(&stream, kCudaStreamNonBlocking) == 0);
  REQUIRE(driver.copy_to_device(x, session.x.data(), kBytes, stream) == 0);
  fake.calls.clear();
  const auto run = [&](CudaPointer output, CudaStreamHandle* on) {
    const CudaTensor tensors[] = {{reinterpret_cast<void*>(x), kBytes, true},
                                  {reinterpret_cast<void*>(output), kBytes, true}};
    return cuda_run(session.instance, 0, tensors, 2, on, session.message);
  };
  CHECK(run(y[0], stream) == ARGENT_OK);
  CHECK(run(y[0], stream) == ARGENT_OK);
  CHECK(fake.count("cuStreamBeginCapture_v2") == 1);
  CHECK(run(y[1], stream) == ARGENT_OK);  // another address: captured again
  CHECK(fake.count("cuStreamBeginCapture_v2") == 2);
  CHECK(fake.count("cuGraphExecDestroy") == 1);
  CHECK(fake.count("cuMemcpy") == 0);
  CHECK(fake.count("cuStreamSynchronize") == 0);
  REQUIRE(driver.copy_to_host(session.y.data(), y[1], kBytes, stream) == 0);
  CHECK(session.right(3));

  const CudaTensor mixed[] = {{session.x.data(), kBytes, false},
                              {reinterpret_cast<void*>(y[0]), kBytes, true}};
  CHECK(cuda_run(session.instance, 0, mixed, 2, stream, session.message) == ARGENT_BAD_ARGUMENT);
  CHECK(std::string(session.message) ==
        "forward: x is in host memory; on a stream of the caller's all must be on the device");
}

TEST_CASE("steps are timed by events between launches") {
  fresh_driver();
  Session session;
  const CudaTensor tensors[] = {{session.x.data(), kBytes, false},
                                {session.y.data(), kBytes, false}};
  CudaStepSpan spans[4] = {};
  for (int i = 0; i < 2; ++i) {
    CHECK(cuda_time(session.instance, 0, tensors, 2, nullptr, spans, session.message) == ARGENT_OK);
  }
  // The tests' driver takes a millisecond for each launch, an eighth for a copy; the third step has
  // two launches.
  const uint64_t ends[] = {125'000, 1'125'000, 3'125'000, 3'250'000};
  for (int i = 0; i < 4; ++i) {
    CHECK(spans[i].begin_ns == (i ? ends[i - 1] : 0));
    CHECK(spans[i].end_ns == ends[i]);
  }
  CHECK(session.right(2));
  session.close();
  CHECK(alive() == "");
}

TEST_CASE("devices by index") {
  FakeCuda& fake = fresh_driver();
  int count = 0;
  char message[ARGENT_MESSAGE_BYTES];
  CHECK(cuda_device_count(&count, message) == ARGENT_OK);
  CHECK(count == 2);
  {
    Session session(1);
    CHECK(session.run() == ARGENT_OK);
    CHECK(std::string(session.device->name) == "Fake 101");
    CHECK(fake.count("cuDevicePrimaryCtxRetain 101") == 1);
  }
  CHECK(fake.count("cuDevicePrimaryCtxRelease_v2 101") == 1);
  CHECK(refusal(2) == "1: device 2 asked for; there are 2, from 0 on");
  CHECK(refusal(-1) == "1: device -1 asked for; there are 2, from 0 on");
  fake.devices = 0;
  CHECK(refusal() == "8: the CUDA driver finds no device on this machine");
  CHECK(alive() == "");
}

TEST_CASE("what the machine lacks is said") {
  FakeCuda& fake = fresh_driver();
  setenv("ARGENT_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
  CHECK(refusal().starts_with("8: no CUDA driver on this machine: /nowhere/libcuda.so.1"));
  setenv("ARGENT_CUDA_DRIVER", "libm.so.6", 1);
  CHECK(refusal() == "8: libm.so.6 is no CUDA driver: it tells no version");
  setenv("ARGENT_CUDA_DRIVER", FAKE_CUDA, 1);

  fake.driver_version = 10020;
  CHECK(refusal() ==
        "8: the CUDA driver is for CUDA 10.2; needed is 11.4 or later: update the driver");
  fake.driver_version = 12040;
  fake.capability = 75;
  CHECK(refusal() == "8: net: compiled for sm_80 and later; device 0 (Fake 100) is sm_75");
  fake.capability = 90;
  CHECK(refusal() == "0: ");
  fake.memory_bytes = 2000;
  CHECK(refusal() == "6: net: needs 2688 bytes of device memory; device 0 (Fake 100) has 2000");
  fake.memory_bytes = 1 << 20;
  fake.threads_per_block = 64;
  CHECK(refusal() == "8: net: sum needs 96 threads a block; device 0 (Fake 100) has 64");
  fake.threads_per_block = 1024;
  CHECK(refusal(0, [](Tables& t) { t.launches[1].shared_bytes = 50000; }) ==
        "8: net: count needs 50000 bytes of shared memory a block; device 0 (Fake 100) has 49152");
  fake.newest_ptx = 63;
  CHECK(
      refusal() ==
      "8: net: module 0 on device 0 (Fake 100): CUDA_ERROR_UNSUPPORTED_PTX_VERSION: the driver is "
      "older than the program's PTX: update it");
  fake.newest_ptx = 84;
  CHECK(refusal(0, [](Tables& t) { t.codes[0].data = ".version 7.0\n.target sm_80\n.frob"; }) ==
        "8: net: module 0 on device 0 (Fake 100): CUDA_ERROR_INVALID_PTX: PTX line 3: unknown "
        "directive .frob");
  CHECK(refusal(0, [](Tables& t) { t.launches[2].function = "gone"; }) ==
        "11: net: gone on device 0 (Fake 100): CUDA_ERROR_NOT_FOUND");
  CHECK(alive() == "");
}

TEST_CASE("calls with wrong tensors are refused, and the instance goes on") {
  fresh_driver();
  Session session;
  const auto refusal = [&](std::vector<CudaTensor> tensors, uint32_t entry = 0) {
    const int code = cuda_run(session.instance, entry, tensors.data(),
                              static_cast<uint32_t>(tensors.size()), nullptr, session.message);
    return fmt::format("{}: {}", code, session.message);
  };
  const CudaTensor x = {session.x.data(), kBytes, false}, y = {session.y.data(), kBytes, false};
  CHECK(refusal({x}) == "1: forward: 1 tensors given; it has 1 inputs and 1 outputs");
  CHECK(refusal({x, {nullptr, kBytes, false}}) == "1: forward: y is null");
  CHECK(refusal({{session.x.data(), 4, false}, y}) == "5: forward: x has 4 bytes, not 384");
  CHECK(refusal({x, y}, 1) == "1: net: entry 1 asked for, but it has 1");
  CHECK(session.run() == ARGENT_OK);
  CHECK(session.right(1));
}

TEST_CASE("a kernel that goes wrong fails the run") {
  FakeCuda& fake = fresh_driver();
  Session session(0, [](Tables& t) { t.launches[0].blocks[0] = 300; });
  CHECK(session.run() == ARGENT_KERNEL_FAILED);
  CHECK(std::string(session.message) ==
        "forward: cuGraphLaunch on device 0 (Fake 100): CUDA_ERROR_ILLEGAL_ADDRESS");
  CHECK(fake.reports.find("out of bounds: twice") != std::string::npos);
}

// A whole life: open, load, create, run, run, time, close.
TEST_CASE("any call of the driver may fail: it is said, and nothing is left behind") {
  const auto life = [](Session& session) {
    if (session.code == ARGENT_OK) session.run();
    if (session.code == ARGENT_OK) session.run();
    if (session.code != ARGENT_OK) return;
    const CudaTensor tensors[] = {{session.x.data(), kBytes, false},
                                  {session.y.data(), kBytes, false}};
    CudaStepSpan spans[4] = {};
    session.code = cuda_time(session.instance, 0, tensors, 2, nullptr, spans, session.message);
  };
  FakeCuda* fake = &fresh_driver();
  {
    Session session;
    life(session);
    REQUIRE(session.code == ARGENT_OK);
  }
  const std::vector<std::string> calls = fake->calls;
  CHECK(calls.size() > 60);
  int errors = 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    fake = &fresh_driver();
    fake->fail_call = i + 1;
    fake->fail_error = i % 2 ? 2 : 999;
    CAPTURE(i);
    CAPTURE(calls[i]);
    {
      Session session;
      life(session);
      const std::string message = session.message;
      CAPTURE(message);
      if (session.code == ARGENT_OK) {
        // Captures fall back to launches; giving things back is the end of them in any case.
        const bool forgiven =
            calls[i].find("Capture") != std::string::npos ||
            calls[i].starts_with("cuLaunchKernel") || calls[i].starts_with("cuGraph") ||
            calls[i].find("Destroy") != std::string::npos ||
            calls[i].find("Unload") != std::string::npos ||
            calls[i].find("Free") != std::string::npos ||
            calls[i].find("Release") != std::string::npos || calls[i].starts_with("cuCtxP");
        CHECK(forgiven);
      } else {
        ++errors;
        CHECK(message.size() > 20);
        const bool named = message.find("CUDA_ERROR_") != std::string::npos ||
                           message.find("no CUDA driver") != std::string::npos;
        CHECK(named);
      }
    }
    CHECK(alive() == "");
  }
  CHECK(errors > 40);
}
