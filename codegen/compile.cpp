#include "codegen/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "codegen/kernel/disk_cache.h"
#include "codegen/kernel/worker_pool.h"
#include "codegen/plan/device_copies.h"
#include "codegen/schedule/algorithm_model.h"
#include "codegen/schedule/attention_model.h"
#include "codegen/schedule/layout_model.h"
#include "codegen/schedule/sum_model.h"
#include "ir/ops/kernel.h"
#include "passes/fuse.h"
#include "passes/fuse_attention.h"
#include "passes/storage.h"

namespace ag {
namespace {

using plan::Storage;

std::vector<KernelResult> compile_kernels(std::span<const KernelRequest> requests,
                                          const CompileSettings& settings,
                                          CompileStatistics& statistics) {
  KernelCompiler& compiler = settings.compiler ? *settings.compiler : WorkerPool::shared();
  auto directory = settings.use_cache ? DiskCache::default_directory() : std::nullopt;
  if (!directory) return compile_all(requests, compiler, nullptr, &statistics);
  DiskCache cache(*directory);
  return compile_all(requests, compiler, &cache, &statistics);
}

// Kernels of `steps` at most, by their scratch.
int64_t most_scratch(const std::vector<plan::Step>& steps,
                     const std::map<std::string, int64_t>& scratch) {
  int64_t most = 0;
  for (const plan::Step& step : steps) {
    const auto found = scratch.find(step.kernel);  // routines have none
    if (found != scratch.end()) most = std::max(most, found->second);
  }
  return most;
}

// The bytes of one storage, filled with the values of the tensors that live there.
plan::Blob gather_weights(const plan::Program& program, Storage storage,
                          const std::map<std::string, Array>& weights) {
  size_t size = 0;
  std::vector<std::pair<size_t, const Array*>> places;
  for (const plan::Tensor& tensor : program.tensors) {
    if (tensor.buffer < 0 || program.buffers[tensor.buffer].storage != storage) continue;
    auto found = weights.find(tensor.name);
    if (found == weights.end()) {
      throw CompileError(fmt::format("compile: no value for '{}' ({}{})", tensor.name,
                                     name_of(tensor.dtype), to_string(tensor.shape)))
          .help("initialize the model or load its weights first");
    }
    const Array& value = found->second;
    if (value.dtype() != tensor.dtype || value.shape() != tensor.shape) {
      throw CompileError(fmt::format("compile: '{}' is {}{}, but its value is {}{}", tensor.name,
                                     name_of(tensor.dtype), to_string(tensor.shape),
                                     name_of(value.dtype()), to_string(value.shape())));
    }
    const auto offset = static_cast<size_t>(program.buffers[tensor.buffer].offset);
    size = std::max(size, offset + value.size_bytes());
    if (value.size_bytes() > 0) places.emplace_back(offset, &value);
  }
  std::string bytes(size, '\0');
  for (const auto& [offset, value] : places)
    std::memcpy(bytes.data() + offset, value->data(), value->size_bytes());
  return bytes.empty() ? nullptr : std::make_shared<const std::string>(std::move(bytes));
}

constexpr PassParameter kTargetParameters[] = {
    {"target", "whose schedules are asked: host, \"x86-64-v3\", …"}};

Graph run_layout(const Graph& graph, const PassOptions& options) {
  return assign_layouts(graph, *layout_model_of(find_target(options.text("target", "host"))));
}

Graph run_choose_algorithms(const Graph& graph, const PassOptions& options) {
  const Target& target = find_target(options.text("target", "host"));
  return target.is_cuda() ? graph : choose_algorithms(graph, CpuAlgorithmModel(target));
}

Graph run_join_sums(const Graph& graph, const PassOptions& options) {
  return join_sums(graph, *sum_model_of(find_target(options.text("target", "host"))));
}

Graph run_fuse_attention(const Graph& graph, const PassOptions& options) {
  return fuse_attention(graph, *attention_model_of(find_target(options.text("target", "host"))));
}

Graph run_share_storage(const Graph& graph, const PassOptions&) { return share_storage(graph); }

constexpr Pass kTargetPasses[] = {
    {"choose_algorithms", "compute convolutions of 3x3 taps by Winograd where that is faster",
     run_choose_algorithms, kTargetParameters},
    {"join_sums", "sum an image where it is stored", run_join_sums, kTargetParameters},
    {"fuse_attention", "compute attention in one kernel, which stores no scores",
     run_fuse_attention, kTargetParameters},
    {"layout", "store each value between kernels as its schedules like it", run_layout,
     kTargetParameters},
    {"share_storage", "concats and slices of channels as views of one buffer", run_share_storage}};

constexpr std::string_view kOptionalPasses[] = {
    "fold_batch_norm",   "fast_variance", "join_convolutions",
    "split_taps",        "scale_weights", "cse",
    "choose_algorithms", "fuse",          "join_sums",
    "fuse_attention",    "layout",        "share_storage"};

bool runs(std::string_view pass, const LoweringOptions& options) {
  return std::find(options.without.begin(), options.without.end(), pass) == options.without.end();
}

void check_without(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (std::find(std::begin(kOptionalPasses), std::end(kOptionalPasses), name) !=
        std::end(kOptionalPasses)) {
      continue;
    }
    throw CompileError(fmt::format("compile: '{}' is no pass that can be left out", name))
        .help(fmt::format("these can: {}", fmt::join(kOptionalPasses, ", ")));
  }
}

// Entries are functions of one library.
void check_names(std::span<const ProgramEntry> entries) {
  std::set<std::string_view> names;
  for (const ProgramEntry& entry : entries) {
    if (names.insert(entry.name).second) continue;
    throw CompileError(fmt::format("compile: two entry points are called '{}'", entry.name))
        .help("give each batch size once");
  }
}

// The default pipeline up to fusion, which comes after the choice of algorithms.
std::vector<PassCall> pipeline_before_fusion(const LoweringOptions& options) {
  std::vector<PassCall> calls = parse_pipeline(kDefaultPipeline);
  std::erase_if(calls, [&](const PassCall& call) {
    return call.pass->name == "fuse" || !runs(call.pass->name, options);
  });
  return calls;
}

// A target's schedules asked for no layouts.
class RowMajorModel : public LayoutModel {
 public:
  explicit RowMajorModel(const LayoutModel& schedules) : schedules_(schedules) {}
  LayoutDemands demands(const Graph& body, std::string_view) const override {
    LayoutDemands demands;
    demands.operands.resize(body_leaves(body).size());
    demands.results.resize(body.outputs().size());
    return demands;
  }
  bool follows(std::string_view kernel_class) const override {
    return schedules_.follows(kernel_class);
  }
  bool tests_border(const Graph& body, size_t operand) const override {
    return schedules_.tests_border(body, operand);
  }

 private:
  const LayoutModel& schedules_;
};

}  // namespace

std::span<const Pass> compiler_passes() {
  static const std::vector<Pass> passes = [] {
    std::vector<Pass> rows(all_passes().begin(), all_passes().end());
    rows.insert(rows.end(), std::begin(kTargetPasses), std::end(kTargetPasses));
    return rows;
  }();
  return passes;
}

std::span<const std::string_view> optional_passes() { return kOptionalPasses; }

Graph lower_to_kernels(const Graph& graph, const Target& target, const LoweringOptions& options) {
  check_without(options.without);
  Graph kernels = run_pipeline(graph, pipeline_before_fusion(options));
  // No schedule of CUDA makes Winograd's algorithm faster.
  if (options.winograd && !target.is_cuda() && runs("choose_algorithms", options)) {
    kernels = run_pipeline(choose_algorithms(kernels, CpuAlgorithmModel(target)),
                           parse_pipeline("cse,dce"));
  }
  kernels = fuse(kernels, {.joins = runs("fuse", options)});
  if (runs("join_sums", options)) kernels = join_sums(kernels, *sum_model_of(target));
  if (runs("fuse_attention", options))
    kernels = fuse_attention(kernels, *attention_model_of(target));
  const std::unique_ptr<LayoutModel> schedules = layout_model_of(target);
  const RowMajorModel row_major(*schedules);
  const LayoutModel* layouts = &row_major;
  if (runs("layout", options)) layouts = schedules.get();
  kernels = assign_layouts(kernels, *layouts);
  return runs("share_storage", options) ? share_storage(kernels) : keep_storage_apart(kernels);
}

CompiledProgram compile_graphs(std::string name, std::span<const ProgramEntry> entries,
                               const std::map<std::string, Array>& weights,
                               const CompileSettings& settings) {
  check_names(entries);
  const Target& target = find_target(settings.target);
  std::vector<ProgramEntry> kernels;
  for (const ProgramEntry& entry : entries)
    kernels.push_back({entry.name, lower_to_kernels(entry.graph, target, settings.lowering)});
  return compile_kernel_graphs(std::move(name), kernels, weights, settings);
}

CompiledProgram compile_kernel_graphs(std::string name, std::span<const ProgramEntry> entries,
                                      const std::map<std::string, Array>& weights,
                                      const CompileSettings& settings) {
  const Target& target = find_target(settings.target);
  std::vector<plan::EntryGraph> graphs;
  for (const ProgramEntry& entry : entries) graphs.push_back({entry.name, &entry.graph});
  plan::ProgramPlan plan = plan::plan_program(std::move(name), target, graphs);
  for (KernelRequest& request : plan.requests) request.explain = settings.explain;

  CompiledProgram compiled;
  std::vector<KernelResult> results = compile_kernels(plan.requests, settings, compiled.statistics);
  std::map<std::string, int64_t> scratch;
  for (size_t i = 0; i < results.size(); ++i) {
    const KernelRequest& request = plan.requests[i];
    scratch[request.symbol] = results[i].scratch_bytes;
    compiled.kernels.push_back(
        {request, results[i].scratch_bytes,
         static_cast<int64_t>(results[i].object.size() + results[i].ptx.size()),
         results[i].lowering_ms, results[i].llvm_ms, std::move(results[i].loop_nest)});
    if (target.is_cuda()) {
      plan.program.device_kernels[request.symbol] = std::make_shared<const plan::DeviceKernel>(
          plan::DeviceKernel{std::move(results[i].ptx), std::move(results[i].launches),
                             std::move(results[i].constants)});
    } else {
      plan.program.kernels[request.symbol] =
          std::make_shared<const std::string>(std::move(results[i].object));
    }
  }
  if (target.is_cuda()) plan::copy_by_kernels(plan.program);
  for (plan::Entry& entry : plan.program.entries)
    entry.scratch_bytes = most_scratch(entry.steps, scratch);
  plan.program.prepare_scratch_bytes = most_scratch(plan.program.prepare, scratch);
  plan.program.state = gather_weights(plan.program, Storage::state, weights);
  plan.program.parameters = gather_weights(plan.program, Storage::parameter, weights);
  compiled.program = std::move(plan.program);
  compiled.memory = std::move(plan.memory);
  return compiled;
}

}  // namespace ag
