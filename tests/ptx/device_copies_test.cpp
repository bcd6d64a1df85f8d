// Copies between strided buffers of a device, as the planner writes them: run by the PTX machine.
#include "codegen/plan/device_copies.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "tests/ptx/ptx_machine.h"

using namespace ag;
using plan::Buffer;

namespace {

// The first byte of element (i, j, …) for every element, in the order of the dimensions.
std::vector<size_t> places(const Buffer& buffer) {
  std::vector<size_t> offsets = {0};
  for (const plan::BufferDim& dim : buffer.dims) {
    std::vector<size_t> next;
    for (int i = 0; i < dim.extent; ++i) {
      for (size_t offset : offsets)
        next.push_back(offset + static_cast<size_t>(i * dim.stride) * size_of(buffer.dtype));
    }
    offsets = std::move(next);
  }
  return offsets;
}

plan::Program program_of(const Buffer& from, const Buffer& to) {
  plan::Program program;
  program.buffers = {from, to};
  plan::Step step;
  step.routine = plan::Routine::copy;
  step.buffers = {0, 1};
  program.entries.resize(1);
  program.entries[0].steps = {step, step};
  plan::copy_by_kernels(program);
  return program;
}

void check_copy(const Buffer& from, const Buffer& to) {
  const plan::Program program = program_of(from, to);
  REQUIRE(program.device_kernels.size() == 1);  // both steps share it
  const plan::Step& step = program.entries[0].steps[1];
  CHECK(step.routine == plan::Routine::none);
  const plan::DeviceKernel& kernel = *program.device_kernels.at(step.kernel);
  REQUIRE(kernel.launches.size() == 1);
  const KernelLaunch& launch = kernel.launches[0];

  const size_t width = size_of(from.dtype);
  const std::vector<size_t> sources = places(from), destinations = places(to);
  std::vector<uint8_t> source(sources.back() + width), result(destinations.back() + width, 0xee);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<uint8_t>(i * 37 + 1);
  std::vector<uint8_t> wanted = result;
  for (size_t i = 0; i < sources.size(); ++i)
    std::memcpy(&wanted[destinations[i]], &source[sources[i]], width);

  ptx::Machine machine;
  const ptx::Module& module = machine.load(kernel.ptx);
  const ptx::Address x = machine.allocate(source.size()), y = machine.allocate(result.size());
  machine.write(x, source.data(), source.size());
  machine.write(y, result.data(), result.size());
  const ptx::Outcome outcome =
      machine.launch(module, launch.entry, {static_cast<uint32_t>(launch.blocks[0])},
                     {static_cast<uint32_t>(launch.threads[0])},
                     static_cast<uint32_t>(launch.shared_bytes), ptx::Arguments(x, y));
  CHECK(outcome.text() == "");
  machine.read(y, result.data(), result.size());
  CHECK(result == wanted);
}

Buffer buffer(DType dtype, std::vector<plan::BufferDim> dims) {
  Buffer buffer;
  buffer.dtype = dtype;
  buffer.dims = std::move(dims);
  return buffer;
}

}  // namespace

TEST_CASE("elements of every width, dense") {
  for (DType dtype : {DType::u8, DType::boolean, DType::bf16, DType::f16, DType::f32, DType::i32,
                      DType::i64, DType::f64}) {
    CAPTURE(name_of(dtype));
    check_copy(buffer(dtype, {{7, 1}, {100, 7}}), buffer(dtype, {{7, 1}, {100, 7}}));
  }
}

TEST_CASE("strides of either side; one element; a scalar") {
  check_copy(buffer(DType::f32, {{5, 1}, {3, 8}, {4, 24}}),
             buffer(DType::f32, {{5, 1}, {3, 5}, {4, 15}}));
  check_copy(buffer(DType::f32, {{5, 12}, {3, 4}, {4, 1}}),
             buffer(DType::f32, {{5, 1}, {3, 5}, {4, 40}}));
  check_copy(buffer(DType::f32, {{1, 1}, {1, 9}}), buffer(DType::f32, {{1, 1}, {1, 1}}));
  check_copy(buffer(DType::i64, {}), buffer(DType::i64, {}));
}
