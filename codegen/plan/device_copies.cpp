#include "codegen/plan/device_copies.h"

#include <fmt/format.h>

#include "codegen/kernel/request.h"
#include "ir/internal_error.h"

namespace ag::plan {
namespace {

constexpr int64_t kThreads = 256;  // of a block

int64_t elements_of(const Buffer& buffer) {
  int64_t count = 1;
  for (const BufferDim& dim : buffer.dims) count *= dim.extent;
  return count;
}

// Adds the places of element %r0 to the addresses %rd0 and %rd1; a dimension at a time, innermost
// first.
std::string addresses_text(const Buffer& from, const Buffer& to) {
  const int width = static_cast<int>(size_of(from.dtype));
  std::string text;
  for (size_t d = 0; d < from.dims.size(); ++d) {
    const int32_t extent = from.dims[d].extent;
    text += fmt::format("  rem.u32 %r1, %r0, {0};\n  div.u32 %r0, %r0, {0};\n", extent);
    for (int side = 0; side < 2; ++side) {
      text += fmt::format("  mul.wide.s32 %rd2, %r1, {};\n  add.s64 %rd{}, %rd{}, %rd2;\n",
                          (side ? to : from).dims[d].stride * width, side, side);
    }
  }
  return text;
}

std::string copy_ptx(const std::string& name, const Buffer& from, const Buffer& to) {
  const size_t width = size_of(from.dtype);
  const std::string_view value = width == 8 ? "%rd3" : width == 4 ? "%r2" : "%rs0";
  const size_t bits = 8 * width;
  return fmt::format(
             ".version 7.0\n.target sm_80\n.address_size 64\n\n"
             ".visible .entry {0}(.param .u64 {0}_param_0, .param .u64 {0}_param_1)\n{{\n"
             "  .reg .pred %p<1>;\n  .reg .b16 %rs<1>;\n  .reg .b32 %r<3>;\n  .reg .b64 %rd<4>;\n"
             "  ld.param.u64 %rd0, [{0}_param_0];\n  ld.param.u64 %rd1, [{0}_param_1];\n"
             "  mov.u32 %r1, %ctaid.x;\n  mov.u32 %r2, %tid.x;\n"
             "  mad.lo.s32 %r0, %r1, {1}, %r2;\n  setp.ge.u32 %p0, %r0, {2};\n  @%p0 bra "
             "$end_{0};\n",
             name, kThreads, elements_of(from)) +
         addresses_text(from, to) +
         fmt::format(
             "  ld.global.u{0} {1}, [%rd0];\n  st.global.u{0} [%rd1], {1};\n"
             "$end_{2}:\n  ret;\n}}\n",
             bits, value, name);
}

std::string form_of(const Buffer& buffer) {
  std::string text;
  for (const BufferDim& dim : buffer.dims) text += fmt::format("{}x{},", dim.extent, dim.stride);
  return text;
}

std::shared_ptr<const DeviceKernel> copy_kernel(const std::string& symbol, const Buffer& from,
                                                const Buffer& to) {
  DeviceKernel kernel;
  const std::string entry = symbol + "_0";
  kernel.ptx = copy_ptx(entry, from, to);
  KernelLaunch launch{
      entry, {(elements_of(from) + kThreads - 1) / kThreads, 1, 1}, {kThreads, 1, 1}, 0, {}};
  for (int64_t parameter : {0, 1})
    launch.arguments.push_back({LaunchArgument::Memory::parameter, parameter});
  kernel.launches.push_back(std::move(launch));
  return std::make_shared<const DeviceKernel>(std::move(kernel));
}

void replace_copy(Program& program, Step& step) {
  const Buffer& from = program.buffers[static_cast<size_t>(step.buffers.at(0))];
  const Buffer& to = program.buffers[static_cast<size_t>(step.buffers.at(1))];
  const size_t width = size_of(from.dtype);
  const std::string symbol =
      "copy_" + content_hash(fmt::format("{} {} {}", width, form_of(from), form_of(to)));
  auto& kernel = program.device_kernels[symbol];
  if (!kernel) kernel = copy_kernel(symbol, from, to);
  step.routine = Routine::none;
  step.kernel = symbol;
}

// Every routine of processors has a row here: the compiler asks for one of a new routine.
void replace(Program& program, Step& step) {
  switch (step.routine) {
    case Routine::zero_boxes:
      internal_error("step {} writes zeros, which no CUDA program needs", step.name);
    case Routine::copy: return replace_copy(program, step);
    case Routine::none:
    case Routine::upload:
    case Routine::download: return;
  }
}

}  // namespace

void copy_by_kernels(Program& program) {
  for (Entry& entry : program.entries) {
    for (Step& step : entry.steps) replace(program, step);
  }
  for (Step& step : program.prepare) replace(program, step);
}

}  // namespace ag::plan
