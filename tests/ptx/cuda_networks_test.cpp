// Whole programs for GPUs, from the graph to the numbers: they equal the processor's. CTest puts
// the tests' driver in the place of libcuda.so.1 (LD_LIBRARY_PATH); `./test --gpu` runs them on a
// device, where ARGENT_CUDA_NETWORKS=all adds what would take the tests' driver too long.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "codegen/link/device_code.h"
#include "deploy/compile.h"
#include "frontend/init/draw.h"
#include "frontend/layers.h"
#include "frontend/zoo/zoo.h"
#include "ir/parse.h"
#include "runtime/cuda.h"
#include "train/training_step.h"

using namespace ag;

namespace {

Array ramp(const TensorType& type, int step = 37) {
  Array array(type.dtype, type.shape);
  for (int64_t i = 0; i < array.count(); ++i)
    array.set_double(i, static_cast<double>(i * step % 101) / 50 - 1);
  return array;
}

void check_alike(const Array& device, const Array& processor, double allowed) {
  REQUIRE(device.type() == processor.type());
  double largest = 1, worst = 0;
  for (int64_t i = 0; i < device.count(); ++i) {
    largest = std::max(largest, std::fabs(processor.get_double(i)));
    const double error = std::fabs(device.get_double(i) - processor.get_double(i));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  CHECK(worst <= allowed * largest);
}

Model initialized(const char* name) {
  Model model = zoo_model(name);
  model.initialize(3);
  return model;
}

std::shared_ptr<LoadedProgram> loaded(const Model& model, const std::string& target) {
  return LoadedProgram::in_memory(compile_program(model, {.target = target}).program);
}

// Inputs of a step by name: labels of ten classes, images that differ from step to step.
std::vector<Array> step_inputs(const argent_entry_info& entry, int number) {
  std::vector<Array> inputs;
  for (uint32_t i = 0; i < entry.input_count; ++i) {
    const TensorType type = type_of(*entry.inputs[i]);
    const std::string name = entry.inputs[i]->name;
    Array value = name == "learning_rate" ? Array::of({}, std::vector<float>{0.05f})
                                          : ramp(type, 37 + number);
    for (int64_t j = 0; name == "labels" && j < value.count(); ++j)
      value.set_double(j, static_cast<double>((3 * j + 2 + number) % 10));
    inputs.push_back(std::move(value));
  }
  return inputs;
}

void check_training(const Model& model, int64_t batch, int steps) {
  const TrainingStep step =
      training_step(model, {.optimizer = sgd(0.05, {.momentum = 0.9})}, batch);
  WeightMap values = model.weights();
  for (const Parameter& parameter : step.parameters)
    if (!values.contains(parameter.name)) values[parameter.name] = draw(parameter, 3);
  CompiledGraph device = compile(step.graph, values, {.target = "cuda"});
  CompiledGraph processor = compile(step.graph, values);
  for (int i = 0; i < steps; ++i) {
    const std::vector<Array> inputs =
        step_inputs(device.instance().program().library().entries[0], i);
    const std::vector<Array> got = device(inputs), want = processor(inputs);
    REQUIRE(got.size() == want.size());
    for (size_t j = 0; j < got.size(); ++j) check_alike(got[j], want[j], 1e-4);
  }
  size_t moved = 0;
  for (const auto& [name, before] : values) {
    CAPTURE(name);
    const Array now = device.instance().get(name);
    check_alike(now, processor.instance().get(name), 1e-4);
    moved += std::memcmp(now.data(), before.data(), now.size_bytes()) != 0;
  }
  CHECK(moved == values.size());
}

argent_tensor view(const Array& array) {
  return {const_cast<std::byte*>(array.data()), array.shape().data(), array.size_bytes(),
          static_cast<uint32_t>(array.shape().size()), static_cast<uint32_t>(array.dtype())};
}

// The same tensor in the device's memory, which stays there.
argent_tensor on_device(const rt::CudaDevice& device, const Array& array) {
  rt::CudaPointer pointer = 0;
  REQUIRE(device.driver.allocate(&pointer, array.size_bytes()) == 0);
  REQUIRE(device.driver.copy_to_device(pointer, array.data(), array.size_bytes(), nullptr) == 0);
  argent_tensor tensor = view(array);
  tensor.data = reinterpret_cast<void*>(pointer);
  return tensor;
}

}  // namespace

TEST_CASE("LeNet-5, compiled for a level and for the device that is there") {
  const Model model = initialized("lenet5");
  const Array image = ramp(model.inputs()[0].type);
  const Array wanted = compile(model)(image);
  check_alike(compile(model, CompileOptions{.target = "cuda-sm_80"})(image), wanted, 1e-5);
  check_alike(compile(model, CompileOptions{.target = "cuda"})(image), wanted, 1e-5);
}

TEST_CASE("ResNet-20: batch norm and residuals") {
  const Model model = initialized("resnet20_cifar");
  const Array image = ramp(model.inputs()[0].type);
  check_alike(compile(model, CompileOptions{.target = "cuda-sm_80"})(image), compile(model)(image),
              1e-4);
}

TEST_CASE("training steps of LeNet-5 move every parameter alike") {
  check_training(initialized("lenet5"), 2, 3);
}

TEST_CASE("a training step of ModernCNN moves every parameter alike") {
  const char* wanted = std::getenv("ARGENT_CUDA_NETWORKS");
  if (!wanted || std::string(wanted) != "all") {
    MESSAGE("skipped: ARGENT_CUDA_NETWORKS=all runs it, on a device");
    return;
  }
  check_training(initialized("modern_cnn"), 16, 2);
}

TEST_CASE("weights that others depend on are prepared again") {
  const Model model = initialized("resnet20_cifar");
  const auto program = loaded(model, "cuda-sm_80"), reference = loaded(model, "host");
  ProgramInstance instance = program->instance(), processor = reference->instance();
  const Array image = ramp(model.inputs()[0].type);
  const std::string name = "bn1.weight";
  const Array weight = ramp(instance.get(name).type());
  instance.set(name, weight);
  CHECK_THROWS_WITH_AS(instance.run(0, {&image, 1}), doctest::Contains("argent_prepare"),
                       CompileError);
  instance.prepare();
  processor.set(name, weight);
  processor.prepare();
  check_alike(instance.get(name), weight, 0);
  check_alike(instance.run(0, {&image, 1})[0], processor.run(0, {&image, 1})[0], 1e-4);
}

TEST_CASE("tensors of the device, a stream of the caller's, devices by index") {
  const Model model = initialized("lenet5");
  const auto program = loaded(model, "cuda-sm_80");
  const Array image = ramp(model.inputs()[0].type), wanted = compile(model)(image);
  argent_error error;
  int devices = 0;
  REQUIRE(rt::cuda_device_count(&devices, error.message) == ARGENT_OK);
  const int last = devices - 1;
  argent_network* network =
      argent_open_device(&program->library(), static_cast<uint32_t>(last), &error);
  REQUIRE_MESSAGE(network, error.message);
  argent_instance* instance = argent_create(network, 1, &error);
  REQUIRE_MESSAGE(instance, error.message);
  rt::CudaDevice* device = nullptr;
  REQUIRE(rt::cuda_open(last, &device, error.message) == ARGENT_OK);
  {
    const rt::CudaScope scope(*device);
    Array logits(wanted.dtype(), wanted.shape());
    rt::CudaStreamHandle* stream = nullptr;
    REQUIRE(device->driver.stream_create(&stream, rt::kCudaStreamNonBlocking) == 0);
    const argent_tensor x = on_device(*device, image), y = on_device(*device, logits);
    const argent_tensor host_x = view(image);
    CHECK(argent_set_stream(instance, stream) == ARGENT_OK);
    CHECK(argent_run(instance, 0, &host_x, 1, &y, 1) == ARGENT_BAD_ARGUMENT);
    CHECK(std::string(argent_message(instance)).find("is in host memory; on a stream") !=
          std::string::npos);
    CHECK(argent_run(instance, 0, &x, 1, &y, 1) == ARGENT_OK);
    CHECK(device->driver.stream_synchronize(stream) == 0);
    CHECK(device->driver.copy_to_host(logits.data(), reinterpret_cast<rt::CudaPointer>(y.data),
                                      logits.size_bytes(), stream) == 0);
    check_alike(logits, wanted, 1e-5);

    // One of each, and the instance's own stream again.
    CHECK(argent_set_stream(instance, nullptr) == ARGENT_OK);
    Array again(wanted.dtype(), wanted.shape());
    const argent_tensor host_y = view(again);
    CHECK(argent_run(instance, 0, &x, 1, &host_y, 1) == ARGENT_OK);
    check_alike(again, wanted, 1e-5);
    argent_tensor askew = x;
    askew.data = static_cast<char*>(x.data) + 4;
    CHECK(argent_run(instance, 0, &askew, 1, &host_y, 1) == ARGENT_BAD_ARGUMENT);
    CHECK(std::string(argent_message(instance)).find("not aligned to 16 bytes") !=
          std::string::npos);
    CHECK(argent_close(network) == ARGENT_BUSY);
  }
  CHECK(argent_destroy(instance) == ARGENT_OK);
  CHECK(argent_close(network) == ARGENT_OK);
  rt::cuda_close(device);
  const auto beyond = static_cast<uint32_t>(devices);
  CHECK(argent_open_device(&program->library(), beyond, &error) == nullptr);
  CHECK(std::string(error.message) == "device " + std::to_string(devices) +
                                          " asked for; there are " + std::to_string(devices) +
                                          ", from 0 on");
}

TEST_CASE("a processor's library has no devices and no streams") {
  const auto program = loaded(initialized("lenet5"), "host");
  argent_error error;
  CHECK(argent_open_device(&program->library(), 0, &error) == nullptr);
  CHECK(error.code == ARGENT_UNSUPPORTED);
  argent_network* network = argent_open(&program->library(), &error);
  argent_instance* instance = argent_create(network, 1, &error);
  CHECK(argent_set_stream(instance, &error) == ARGENT_UNSUPPORTED);
  argent_destroy(instance);
  argent_close(network);
}

TEST_CASE("values that are given back and kept, and outputs that are inputs") {
  const Graph graph = parse(R"(graph @swap(%x: f32[3,5]) {
  %a: f32[3,5] = state()
  %b: f32[3,5] = state()
  %sum: f32[3,5] = add(%a, %x)
  return sum=%sum, same=%x
  update a=%b
  update b=%a
}
)",
                            "swap.ag");
  const WeightMap values = {{"a", ramp(f32({3, 5}), 11)}, {"b", ramp(f32({3, 5}), 17)}};
  CompiledGraph device = compile(graph, values, {.target = "cuda-sm_80"});
  CompiledGraph processor = compile(graph, values);
  const Array x = ramp(f32({3, 5}));
  for (int i = 0; i < 3; ++i) {
    const std::vector<Array> got = device({&x, 1}), want = processor({&x, 1});
    for (size_t j = 0; j < got.size(); ++j) check_alike(got[j], want[j], 0);
    for (const char* name : {"a", "b"})
      check_alike(device.instance().get(name), processor.instance().get(name), 0);
  }
}

TEST_CASE("kernels with functions and variables of one name are one module") {
  const auto kernel_of = [](const std::string& name) {
    return std::make_shared<const plan::DeviceKernel>(plan::DeviceKernel{
        "//\n.version 7.0\n.target sm_80\n.address_size 64\n\n"
        "// not.func (x) f(\n.func (.param .b32 r) f(.param .b32 f_0);\n"
        ".extern .shared .align 16 .b8 panel[];\n"
        ".global .align 4 .b8 table[4] = {1, 2, 3, 4};\n"
        ".func (.param .b32 r) f(\n  .param .b32 f_0)\n{\n  { st.param.b32 [r], 1; }\n  ret;\n}\n"
        ".visible .entry " +
            name +
            "() {\n  mov.u64 %rd1, table;\n"
            "  call.uni (r), f, (x); // f, panel\n  mov.u64 %rd1, panel;\n}\n",
        {},
        {}});
  };
  plan::Program program;
  program.device_kernels = {{"a", kernel_of("a")}, {"b", kernel_of("b")}};
  const std::string text = ptx_module(program);
  for (const char* part :
       {".func (.param .b32 r) af(", ".b8 bpanel[];", "mov.u64 %rd1, btable;", "(r), bf, (x);",
        ".entry a()", "mov.u64 %rd1, apanel;", ".param .b32 f_0)"}) {
    CAPTURE(std::string(part));
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find(" f(") == std::string::npos);
  CHECK(text.find(".version") == text.rfind(".version"));
}

TEST_CASE("what no device launches is said when a program is linked") {
  const Graph graph =
      parse("graph @g(%x: f32[3,5]) {\n  %y: f32[3,5] = relu(%x)\n  return y=%y\n}\n", "g.ag");
  const ProgramEntry entry{"main", graph};
  const CompiledProgram compiled = compile_graphs("g", {&entry, 1}, {}, {.target = "cuda-sm_80"});
  const auto refusal = [&](void (*change)(KernelLaunch&)) -> std::string {
    plan::Program program = compiled.program;
    auto& [symbol, kernel] = *program.device_kernels.begin();
    plan::DeviceKernel changed = *kernel;
    change(changed.launches.at(0));
    kernel = std::make_shared<const plan::DeviceKernel>(std::move(changed));
    try {
      LoadedProgram::in_memory(program);
      return "";
    } catch (const CompileError& error) {
      return error.what();
    }
  };
  CHECK(refusal([](KernelLaunch&) {}) == "");
  CHECK(refusal([](KernelLaunch& launch) {
          launch.blocks = {1, 70000, 1};
        })
            .find("kernel 'relu' has a grid of 1 x 70000 x 1 blocks, of which a device launches "
                  "65535") != std::string::npos);
  CHECK(refusal([](KernelLaunch& launch) {
          launch.arguments.resize(300);
        }).find("kernel 'relu' has 300 operands; one of a CUDA program has 256 at most") !=
        std::string::npos);
}
