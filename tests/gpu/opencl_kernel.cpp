#include "tests/gpu/opencl_kernel.h"

#include <Halide.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "codegen/schedule/apply.h"
#include "codegen/schedule/cuda/rules.h"
#include "ir/diagnostics.h"

namespace ag {
namespace {

namespace IR = Halide::Internal;

// Reads a lowered pipeline: for every launch its threads, and the loops that are run one iteration
// after the other although they need not be.
class LoopRules : public IR::IRMutator {
 public:
  explicit LoopRules(int64_t work) : work_(work) {}
  std::vector<std::string> broken;
  bool has_barriers = false;

 private:
  using IR::IRMutator::visit;

  Halide::Expr visit(const IR::Call* call) override {
    has_barriers = has_barriers || call->is_intrinsic(IR::Call::gpu_thread_barrier);
    return IR::IRMutator::visit(call);
  }

  IR::Stmt visit(const IR::For* loop) override {
    const bool block = loop->for_type == IR::ForType::GPUBlock;
    const bool thread = loop->for_type == IR::ForType::GPUThread;
    const bool outermost = (block || thread) && depth_ == 0;
    if (outermost) threads_ = runs_ = 1;
    const int64_t count = extent_of(loop->extent);
    depth_ += block || thread;
    if (thread) threads_ *= count;
    runs_ = std::min(runs_ * count, kMany);
    const bool serial = loop->for_type == IR::ForType::Serial;
    if (serial && count > 1 && work_ >= kSmallWork && is_parallel_axis(loop->name))
      broken.push_back("one after the other: " + loop->name);
    IR::Stmt same = IR::IRMutator::visit(loop);
    depth_ -= block || thread;
    if (outermost && threads_ < kLeastThreads && std::min(runs_, work_) >= kSmallWork)
      broken.push_back(fmt::format("block of {} threads: {}", threads_, loop->name));
    return same;
  }

  static constexpr int64_t kMany = int64_t{1} << 40;

  static int64_t extent_of(const Halide::Expr& extent) {
    const auto value = IR::as_const_int(IR::simplify(extent));
    return value ? *value : kMany;
  }

  // Loops over what is added up keep their order: those over a reduction's domain, whose names hold
  // a '$', and the loops that the templates split them into. A block's threads walk along a row
  // together: "turn".
  static bool is_parallel_axis(const std::string& name) {
    static constexpr std::string_view kOrdered[] = {"turn", "member", "group", "within", "part",
                                                    "rest", "steps",  "step",  "over"};
    if (name.find('$') != name.npos) return false;
    std::string last = name;
    while (last.ends_with(".rebased")) last.resize(last.size() - std::string(".rebased").size());
    last = last.substr(last.rfind('.') + 1);
    const std::string_view word(last.data(), last.find_last_not_of("0123456789") + 1);
    return std::find(std::begin(kOrdered), std::end(kOrdered), word) == std::end(kOrdered);
  }

  int64_t work_;
  int64_t threads_ = 1, runs_ = 1;
  int depth_ = 0;
};

Halide::Buffer<> buffer_over(Array& array, const Target& target) {
  const std::vector<int> extents(array.shape().rbegin(), array.shape().rend());
  Halide::Buffer<> buffer(lower::buffer_type(target, array.dtype()), array.data(), extents);
  buffer.set_host_dirty();
  return buffer;
}

int64_t work_of(const KernelRequest& request) {
  int64_t most = 0;
  for (const auto* forms : {&request.operands, &request.results})
    for (const BufferForm& form : *forms) most = std::max(most, form.type.count());
  return most;
}

OpenClRun run(const KernelRequest& request, std::span<const Array> operands) {
  lower::Kernel kernel = lower::lower(request);
  schedule::apply(kernel, Schedule::parse(request.schedule));
  Halide::Pipeline pipeline(kernel.stages);
  LoopRules rules(work_of(request));
  pipeline.add_custom_lowering_pass(&rules, nullptr);
  const Halide::Target target = Halide::get_host_target()
                                    .with_feature(Halide::Target::OpenCL)
                                    .with_feature(Halide::Target::CLDoubles);

  std::vector<Array> inputs(operands.begin(), operands.end()), results;
  std::vector<Halide::Buffer<>> input_buffers, result_buffers;
  for (size_t i = 0; i < inputs.size(); ++i) {
    input_buffers.push_back(buffer_over(inputs[i], kernel.target));
    kernel.operands[i].set(input_buffers[i]);
  }
  results.reserve(request.results.size());
  for (size_t i = 0; i < request.results.size(); ++i) {
    const int64_t over = request.in_place.empty() ? -1 : request.in_place[i];
    results.emplace_back(request.results[i].type.dtype, request.results[i].type.shape);
    // An element that is never written shows: NaN, or an integer of ones.
    if (results[i].size_bytes() > 0) std::memset(results[i].data(), 0xff, results[i].size_bytes());
    result_buffers.push_back(over < 0 ? buffer_over(results[i], kernel.target)
                                      : input_buffers[over]);
  }
  Halide::Realization realization(result_buffers);
  pipeline.realize(realization, target);
  for (size_t i = 0; i < results.size(); ++i) {
    result_buffers[i].copy_to_host();
    const int64_t over = request.in_place.empty() ? -1 : request.in_place[i];
    if (over >= 0) results[i] = inputs[over];
  }
  return {std::move(results), std::move(rules.broken), rules.has_barriers};
}

}  // namespace

bool has_opencl() {
  using Count = int (*)(unsigned, void*, unsigned*);
  void* library = dlopen("libOpenCL.so", RTLD_NOW);
  if (!library) return false;
  const auto platforms = reinterpret_cast<Count>(dlsym(library, "clGetPlatformIDs"));
  unsigned count = 0;
  return platforms && platforms(0, nullptr, &count) == 0 && count > 0;
}

OpenClRun run_on_opencl(const KernelRequest& request, std::span<const Array> operands) {
  try {
    return run(request, operands);
  } catch (const Halide::Error& error) {
    throw CompileError(fmt::format("Halide refuses {}: {}", request.schedule, error.what()));
  }
}

}  // namespace ag
