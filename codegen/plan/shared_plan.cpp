#include <fmt/format.h>

#include "codegen/plan/entry_planner.h"
#include "ir/ops/leaf.h"

namespace ag::plan {
namespace {

int64_t aligned(int64_t bytes) {
  return (bytes + kStorageAlignment - 1) / kStorageAlignment * kStorageAlignment;
}

// Takes `bytes` off the end of a storage that has used `used` so far.
int64_t reserve(int64_t& used, int64_t bytes) {
  int64_t offset = used;
  used += aligned(bytes);
  return offset;
}

}  // namespace

SharedPlan::SharedPlan(ProgramPlan& plan, const Target& target, std::span<const EntryGraph> entries)
    : plan_(plan), target_(target) {
  for (const EntryGraph& entry : entries) {
    for (const Output& output : entry.graph->outputs()) {
      if (output.updates) updated_.insert(output.name);
    }
  }
}

int SharedPlan::leaf_tensor(const Graph& graph, Value leaf) {
  const std::string& name = graph.leaf_name(leaf);
  const TensorType& type = graph.type(leaf);
  if (auto known = leaf_tensors_.find(name); known != leaf_tensors_.end()) {
    const Tensor& tensor = program().tensors[known->second];
    if (tensor.shape != type.shape || tensor.dtype != type.dtype) {
      throw CompileError(fmt::format("plan: '{}' is {}{} in one entry and {} in another", name,
                                     name_of(tensor.dtype), to_string(tensor.shape),
                                     to_string(type)))
          .at(graph.node(leaf).location);
    }
    return known->second;
  }
  BufferForm form = form_of(type, {});
  bool own = is_updated(name);
  int64_t offset = reserve(own ? state_bytes_ : parameter_bytes_, bytes_of(form));
  Tensor tensor;
  tensor.name = name;
  tensor.dtype = type.dtype;
  tensor.shape = type.shape;
  tensor.role = graph.is_leaf(leaf, ops::parameter) ? Role::parameter : Role::state;
  tensor.buffer = add_buffer(own ? Storage::state : Storage::parameter, offset, form);
  return leaf_tensors_[name] = add_tensor(std::move(tensor));
}

Placement SharedPlan::leaf_placement(const Graph& graph, Value leaf) {
  return {program().tensors[leaf_tensor(graph, leaf)].buffer, form_of(graph.type(leaf), {})};
}

int SharedPlan::add_tensor(Tensor tensor) {
  program().tensors.push_back(std::move(tensor));
  return static_cast<int>(program().tensors.size()) - 1;
}

int SharedPlan::add_buffer(Storage storage, int64_t offset, const BufferForm& form, int tensor) {
  Buffer buffer;
  buffer.storage = storage;
  buffer.tensor = tensor;
  buffer.offset = offset + origin_of(form);
  buffer.dtype = form.type.dtype;
  buffer.dims = dims_of(form);
  program().buffers.push_back(std::move(buffer));
  return static_cast<int>(program().buffers.size()) - 1;
}

int64_t SharedPlan::reserve_prepared(int64_t bytes) {
  return reserve(program().prepared_bytes, bytes);
}

std::string SharedPlan::add_request(KernelRequest request) {
  std::string symbol = request.symbol;
  if (symbols_.insert(symbol).second) plan_.requests.push_back(std::move(request));
  return symbol;
}

}  // namespace ag::plan
