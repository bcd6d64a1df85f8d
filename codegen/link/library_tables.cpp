#include "codegen/link/library_tables.h"

#include <llvm/IR/DataLayout.h>

#include <algorithm>

#include "ir/internal_error.h"
#include "runtime/argent_abi.h"

namespace ag {
namespace {

static_assert(static_cast<int>(DType::boolean) == ARGENT_BOOL);
static_assert(static_cast<int>(DType::u64) == ARGENT_U64);
static_assert(static_cast<int>(plan::Role::state) == ARGENT_STATE);

// The functions of argent_library, in its order: before the details of steps, and behind them.
struct FamilyFunctions {
  const char* first[12];
  const char* last[3];
};
constexpr FamilyFunctions kProcessors = {
    {"argent_rt_open", "argent_rt_close", "argent_rt_create", "argent_rt_destroy", "argent_rt_run",
     "argent_rt_get", "argent_rt_set", "argent_rt_prepare", "argent_rt_set_threads",
     "argent_rt_profile", "argent_rt_step_times", "argent_rt_message"},
    {"argent_rt_trace", "argent_rt_open_device", "argent_rt_set_stream"}};
constexpr FamilyFunctions kDevices = {
    {"argent_cuda_open", "argent_cuda_close", "argent_cuda_create", "argent_cuda_destroy",
     "argent_cuda_run", "argent_cuda_get", "argent_cuda_set", "argent_cuda_prepare",
     "argent_cuda_set_threads", "argent_rt_profile", "argent_rt_step_times", "argent_rt_message"},
    {"argent_rt_trace", "argent_cuda_open_device", "argent_cuda_set_stream"}};

int64_t size_of_blob(const plan::Blob& blob) {
  return blob ? static_cast<int64_t>(blob->size()) : 0;
}

bool is_stored(const plan::Tensor& tensor) {
  return tensor.role == plan::Role::parameter || tensor.role == plan::Role::state;
}

}  // namespace

// Infos of all tensors: those that argent_get knows first.
LibraryTables::LibraryTables(llvm::Module& module, const plan::Program& program,
                             const Target& target)
    : program_(program), target_(target), tables_(module) {
  Constants infos;
  for (bool stored : {true, false}) {
    for (size_t i = 0; i < program_.tensors.size(); ++i) {
      if (is_stored(program_.tensors[i]) != stored) continue;
      info_index_[static_cast<int>(i)] = infos.size();
      infos.push_back(tensor_info(program_.tensors[i]));
      if (stored) stored_.push_back(&program_.tensors[i]);
    }
  }
  infos_ = tables_.array("tensors", infos);
}

llvm::Constant* LibraryTables::tensor_info(const plan::Tensor& tensor) {
  Constants shape;
  for (int64_t extent : tensor.shape) shape.push_back(tables_.i64(extent));
  const int64_t bytes = element_count(tensor.shape) * static_cast<int64_t>(size_of(tensor.dtype));
  return tables_.record({tables_.text(tensor.name), tables_.array("shape", shape),
                         tables_.i64(bytes), tables_.u32(tensor.shape.size()),
                         tables_.u32(static_cast<uint64_t>(tensor.dtype)),
                         tables_.u32(static_cast<uint64_t>(tensor.role)), tables_.u32(0)});
}

llvm::Constant* LibraryTables::info_pointers(const std::vector<int>& tensors) {
  Constants pointers;
  for (int tensor : tensors) pointers.push_back(tables_.element(infos_, info_index_.at(tensor)));
  return tables_.array("arguments", pointers);
}

llvm::Constant* LibraryTables::step_infos(const std::vector<plan::Step>& steps) {
  Constants infos;
  for (const plan::Step& step : steps) {
    infos.push_back(tables_.record(
        {tables_.text(step.name), tables_.text(step.location.scope),
         tables_.text(step.location.file), tables_.i64(step.flops), tables_.i64(step.bytes),
         tables_.u32(static_cast<uint64_t>(step.location.line)), tables_.u32(0)}));
  }
  return tables_.array("steps", infos);
}

// Of the steps of all entries.
llvm::Constant* LibraryTables::step_details() {
  Constants details;
  for (const plan::Entry& entry : program_.entries) {
    for (const plan::Step& step : entry.steps) {
      details.push_back(
          tables_.record({tables_.text(step.schedule), tables_.i64(step.live_bytes)}));
    }
  }
  return tables_.array("step_details", details);
}

llvm::Constant* LibraryTables::entry_infos() {
  Constants infos;
  for (const plan::Entry& entry : program_.entries) {
    infos.push_back(tables_.record(
        {tables_.text(entry.name), info_pointers(entry.inputs), info_pointers(entry.outputs),
         step_infos(entry.steps), tables_.u32(entry.inputs.size()),
         tables_.u32(entry.outputs.size()), tables_.u32(entry.steps.size()), tables_.u32(0),
         tables_.i64(entry.arena_bytes)}));
  }
  return tables_.array("entry_infos", infos);
}

llvm::Constant* LibraryTables::library() {
  const int64_t weights = size_of_blob(program_.parameters) + size_of_blob(program_.constants) +
                          program_.prepared_bytes;
  Constants fields = {tables_.u32(ARGENT_ABI_VERSION),
                      tables_.u32(sizeof(argent_library)),
                      tables_.text(program_.name),
                      tables_.text(target_.name),
                      entry_infos(),
                      stored_.empty() ? tables_.null() : tables_.element(infos_, 0),
                      tables_.u32(program_.entries.size()),
                      tables_.u32(stored_.size()),
                      tables_.i64(size_of_blob(program_.state)),
                      tables_.i64(weights)};
  const FamilyFunctions& functions = target_.is_cuda() ? kDevices : kProcessors;
  for (const char* function : functions.first) fields.push_back(tables_.external(function, true));
  fields.push_back(step_details());
  for (const char* function : functions.last) fields.push_back(tables_.external(function, true));
  return tables_.record(fields);
}

size_t slot_of(const plan::Entry& entry, int tensor) {
  const auto input = std::find(entry.inputs.begin(), entry.inputs.end(), tensor);
  if (input != entry.inputs.end()) return static_cast<size_t>(input - entry.inputs.begin());
  const auto output = std::find(entry.outputs.begin(), entry.outputs.end(), tensor);
  if (output == entry.outputs.end()) {
    internal_error("entry {} uses a buffer of tensor {}, which it neither takes nor returns",
                   entry.name, tensor);
  }
  return entry.inputs.size() + static_cast<size_t>(output - entry.outputs.begin());
}

void check_table_size(const llvm::Module& module, const llvm::Constant* table, size_t expected) {
  const uint64_t size = module.getDataLayout().getTypeAllocSize(table->getType());
  if (size != expected) {
    internal_error("image of {} bytes, the runtime expects {}", size, expected);
  }
}

}  // namespace ag
