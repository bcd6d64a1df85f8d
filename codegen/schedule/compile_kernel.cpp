// A kernel request through lowering, schedule and Halide's code generator, or to codegen/nvptx
// where its schedule is one of our own.

#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>

#include "codegen/nvptx/compile.h"
#include "codegen/schedule/apply.h"
#include "codegen/schedule/cpu/half_vectors.h"
#include "codegen/schedule/cpu/join_tasks.h"
#include "codegen/schedule/cpu/lane_loads.h"
#include "codegen/schedule/cpu/prefetch_weights.h"
#include "codegen/schedule/cuda/device_functions.h"
#include "codegen/schedule/cuda/device_library.h"
#include "codegen/schedule/cuda/launches.h"
#include "ir/internal_error.h"

namespace ag::schedule {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Finds the heap allocations of a lowered pipeline: what it takes from the runtime's scratch.
class ScratchCounter : public Halide::Internal::IRVisitor {
 public:
  int64_t bytes = 0;

 private:
  using Halide::Internal::IRVisitor::visit;
  void visit(const Halide::Internal::Allocate* allocation) override {
    constexpr int64_t kAlignment = 128;
    int64_t elements = allocation->constant_allocation_size();
    if (elements == 0) {
      throw CompileError(fmt::format("kernel: temporary '{}' has no size known at compile time",
                                     allocation->name));
    }
    int64_t size = elements * allocation->type.bytes();
    bool on_heap = allocation->memory_type == Halide::MemoryType::Heap ||
                   (allocation->memory_type == Halide::MemoryType::Auto && !fits_on_stack(size));
    if (on_heap) bytes += (size + 2 * kAlignment - 1) / kAlignment * kAlignment;
    Halide::Internal::IRVisitor::visit(allocation);
  }
  // Halide's rule (Internal::can_allocation_fit_on_stack): up to 16 KiB.
  static bool fits_on_stack(int64_t size) { return size <= 16 * 1024; }
};

// Keeps the text of a pipeline whose kernels are still loops over blocks and threads.
class NestText : public Halide::Internal::IRMutator {
 public:
  std::string text;

  using Halide::Internal::IRMutator::mutate;
  Halide::Internal::Stmt mutate(const Halide::Internal::Stmt& pipeline) override {
    std::ostringstream nest;
    nest << pipeline;
    text = nest.str();
    return pipeline;
  }
};

std::string object_bytes(const Halide::Module& module) {
  Halide::Buffer<uint8_t> object = module.compile_to_buffer();
  return {reinterpret_cast<const char*>(object.data()), object.size_in_bytes()};
}

KernelResult compile(const KernelRequest& request) {
  Clock::time_point start = Clock::now();
  lower::Kernel kernel = lower::lower(request);
  apply(kernel, Schedule::parse(request.schedule));
  std::vector<Halide::Argument> arguments(kernel.operands.begin(), kernel.operands.end());
  Halide::Pipeline pipeline(kernel.stages);
  LaneLoads lane_loads(kernel.target.lanes(4));
  if (kernel.reads_whole_vectors) pipeline.add_custom_lowering_pass(&lane_loads, nullptr);
  HalfVectors half_vectors;
  if (kernel.halves_padded_vectors) pipeline.add_custom_lowering_pass(&half_vectors, nullptr);
  PrefetchWeights prefetch(kernel.prefetched, kernel.prefetch_vectors);
  if (kernel.prefetch_vectors > 0) pipeline.add_custom_lowering_pass(&prefetch, nullptr);
  std::optional<JoinTasks> join_tasks;
  if (kernel.joined_tasks) {
    join_tasks.emplace(kernel.joined_tasks->first, kernel.joined_tasks->second);
    pipeline.add_custom_lowering_pass(&*join_tasks, nullptr);
  }
  NestText nest;
  DeviceFunctions device_functions;
  const bool device = kernel.target.is_cuda();
  if (device) trim_device_library();
  if (device) pipeline.add_custom_lowering_pass(&device_functions, nullptr);
  if (device && request.explain) pipeline.add_custom_lowering_pass(&nest, nullptr);
  Halide::Target target(halide_target(kernel.target));
  Halide::Module module = pipeline.compile_to_module(arguments, request.symbol, target);
  KernelResult result;
  if (device) {
    collect_launches(module, kernel, result);
  } else {
    ScratchCounter scratch;
    for (const auto& function : module.functions()) function.body.accept(&scratch);
    result.scratch_bytes = scratch.bytes;
  }
  result.lowering_ms = milliseconds_since(start);
  if (request.explain) {
    std::ostringstream text;
    for (const auto& function : module.functions()) text << function.body;
    result.loop_nest = device ? nest.text : text.str();
  }
  start = Clock::now();
  if (device)
    take_ptx(module, request.symbol, result);
  else
    result.object = object_bytes(module);
  result.llvm_ms = milliseconds_since(start);
  return result;
}

}  // namespace

KernelResult compile_kernel(const KernelRequest& request) {
  if (nvptx::has_template(Schedule::parse(request.schedule).name))
    return nvptx::compile_kernel(request);
  try {
    return compile(request);
  } catch (const Halide::Error& error) {  // no std::exception
    internal_error("Halide refuses kernel {} with schedule {}: {}", request.symbol,
                   request.schedule, error.what());
  }
}

}  // namespace ag::schedule
