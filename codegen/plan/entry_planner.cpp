#include "codegen/plan/entry_planner.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/plan/kernel_request.h"
#include "codegen/schedule/tasks.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "runtime/cuda_image.h"

namespace ag::plan {

namespace {

// Whether the workers' first tasks would come when the caller alone is almost done.
bool is_short(const std::vector<Step>& steps) {
  double work = 0;
  for (const Step& step : steps)
    work += static_cast<double>(step.flops) + kWorkOfByte * static_cast<double>(step.bytes);
  return work < kSharedEntryWork;
}

}  // namespace

EntryPlanner::EntryPlanner(SharedPlan& shared, const EntryGraph& entry)
    : shared_(shared), graph_(*entry.graph) {
  entry_.name = entry.name;
}

void EntryPlanner::run() {
  find_slices();
  find_halos();
  find_uses();
  find_prepared();
  place_inputs();
  place_outputs();
  place_temporaries();
  for (int i = 0; i < graph_.size(); ++i) {
    if (is_kernel(i)) emit_kernel(i);
  }
  emit_final_copies();
  entry_.one_thread = is_short(entry_.steps);
  shared_.program().entries.push_back(std::move(entry_));
}

void EntryPlanner::find_slices() {
  slices_ = stored_slices(graph_);
  for (const auto& [value, slice] : slices_) parts_[slice.whole].push_back(value);
}

bool EntryPlanner::is_view(int i) const {
  const std::string& name = node(i).attributes.string("class");
  return name == "concat" || name == "slice" || name == "reshape";
}

bool EntryPlanner::is_reshape(Value value) const {
  return is_kernel(value.node) && node(value.node).attributes.string("class") == "reshape";
}

Value EntryPlanner::whole_of(Value value) const {
  auto slice = slices_.find(value);
  return slice == slices_.end() ? value : slice->second.whole;
}

// All values of a buffer have the halo that any of their readers wants.
void EntryPlanner::find_halos() {
  if (!shared_.target().has_halos()) return;
  for (int i = 0; i < graph_.size(); ++i) {
    if (!is_kernel(i)) continue;
    for (size_t o = 0; o < node(i).operands.size(); ++o) {
      Value operand = node(i).operands[o];
      if (is_kernel(operand.node))
        halos_[whole_of(operand)].include(halo_wanted(node(i).attributes.graph("body"), o));
    }
  }
}

void EntryPlanner::find_uses() {
  for (int i = 0; i < graph_.size(); ++i) {
    for (Value operand : node(i).operands) last_use_[operand] = i;
  }
}

// Whether none of a node's results has an element: there is nothing to run.
bool EntryPlanner::is_empty(int i) const {
  return std::all_of(node(i).types.begin(), node(i).types.end(),
                     [](const TensorType& type) { return type.count() == 0; });
}

// A kernel is prepared when all it reads are shared, read-only leaves or prepared values, and what
// it writes is a buffer of its own.
void EntryPlanner::find_prepared() {
  is_prepare_.assign(graph_.size(), false);
  std::set<Value> outputs;
  for (const Output& output : graph_.outputs()) outputs.insert(output.value);
  for (int i = 0; i < graph_.size(); ++i) {
    if (node(i).op->kind == OpKind::leaf) {
      is_prepare_[i] = !node(i).is(ops::input) && !shared_.is_updated(graph_.leaf_name({i, 0}));
      continue;
    }
    const auto& operands = node(i).operands;
    bool is_output =
        std::any_of(outputs.begin(), outputs.end(), [&](Value v) { return v.node == i; });
    bool is_shared = false;
    for (int r = 0; r < static_cast<int>(node(i).types.size()); ++r)
      is_shared = is_shared || slices_.contains({i, r}) || parts_.contains({i, r});
    is_prepare_[i] =
        !is_output && !is_shared && !is_empty(i) &&
        std::all_of(operands.begin(), operands.end(), [&](Value v) { return is_prepare_[v.node]; });
  }
  for (int i = 0; i < graph_.size(); ++i) {
    if (is_prepare_[i]) continue;
    for (Value operand : node(i).operands) used_outside_prepare_[operand] = true;
  }
}

BufferForm EntryPlanner::form(Value value) const {
  const Value whole = is_reshape(value) ? value : whole_of(value);
  auto halo = halos_.find(whole);
  try {
    BufferForm form = form_of(graph_.type(whole), halo == halos_.end() ? Halo{} : halo->second);
    form.type = graph_.type(value);
    return form;
  } catch (CompileError& error) {
    throw error.at(graph_.node(value).location);
  }
}

void EntryPlanner::place(Value value, Storage storage, int64_t offset, int tensor) {
  BufferForm stored = form(value);
  placements_[value] = {shared_.add_buffer(storage, offset, stored, tensor), stored};
  auto parts = parts_.find(value);
  if (parts == parts_.end()) return;
  for (Value part : parts->second) {
    const int64_t within = offset_of(stored, slices_.at(part).start);
    const BufferForm form_of_part = form(part);
    placements_[part] = {shared_.add_buffer(storage, offset + within, form_of_part, tensor),
                         form_of_part};
  }
}

void EntryPlanner::place_inputs() {
  for (int i = 0; i < graph_.size(); ++i) {
    if (node(i).op->kind != OpKind::leaf) continue;
    Value leaf{i, 0};
    if (!node(i).is(ops::input)) {
      placements_[leaf] = shared_.leaf_placement(graph_, leaf);
      continue;
    }
    const TensorType& type = graph_.type(leaf);
    Tensor tensor;
    tensor.name = graph_.leaf_name(leaf);
    tensor.dtype = type.dtype;
    tensor.shape = type.shape;
    entry_.inputs.push_back(shared_.add_tensor(std::move(tensor)));
    place(leaf, Storage::input, 0, entry_.inputs.back());
  }
}

void EntryPlanner::place_outputs() {
  for (const Output& output : graph_.outputs()) {
    if (output.updates) {
      place_update(output);
      continue;
    }
    const TensorType& type = graph_.type(output.value);
    Tensor tensor;
    tensor.name = output.name;
    tensor.dtype = type.dtype;
    tensor.shape = type.shape;
    tensor.role = Role::output;
    entry_.outputs.push_back(shared_.add_tensor(std::move(tensor)));
    // Only a kernel without readers' halos writes straight into the caller's memory.
    bool direct = is_kernel(output.value.node) && !placements_.contains(output.value) &&
                  form(output.value).halo.empty();
    if (direct) {
      place(output.value, Storage::output, 0, entry_.outputs.back());
    } else {
      int buffer = shared_.add_buffer(Storage::output, 0, form_of(type.with_layout({}), {}),
                                      entry_.outputs.back());
      final_copies_.emplace_back(output.value, buffer);
    }
  }
}

void EntryPlanner::place_update(const Output& output) {
  Value leaf = graph_.find_leaf(output.name);
  Placement target = shared_.leaf_placement(graph_, leaf);
  if (can_overwrite(output.value, leaf)) {
    placements_[output.value] = target;
    overwrites_[output.value] = leaf;
  } else {
    final_copies_.emplace_back(output.value, target.buffer);
  }
}

namespace {

// Whether a leaf of the body is only read at the position that is written: through pointwise ops.
bool read_in_place(const Graph& body, Value leaf) {
  std::set<int> moved{leaf.node};
  for (int i = leaf.node + 1; i < body.size(); ++i) {
    const Node& node = body.node(i);
    bool reads = std::any_of(node.operands.begin(), node.operands.end(),
                             [&](Value v) { return moved.contains(v.node); });
    if (!reads) continue;
    if (!node.op->pointwise) return false;
    moved.insert(i);
  }
  return true;
}

}  // namespace

bool EntryPlanner::can_overwrite(Value fresh, Value leaf) const {
  if (!is_kernel(fresh.node) || placements_.contains(fresh) || parts_.contains(fresh) ||
      !form(fresh).halo.empty())
    return false;
  bool leaf_is_output = std::any_of(graph_.outputs().begin(), graph_.outputs().end(),
                                    [&](const Output& output) { return output.value == leaf; });
  if (leaf_is_output) return false;
  auto last = last_use_.find(leaf);
  int last_reader = last == last_use_.end() ? -1 : last->second;
  if (last_reader < fresh.node) return true;
  if (last_reader > fresh.node) return false;
  const Node& kernel = node(fresh.node);
  if (kernel.attributes.string("class") != "pointwise") return false;
  const Graph& body = kernel.attributes.graph("body");
  std::vector<Value> leaves = body_leaves(body);
  for (size_t o = 0; o < kernel.operands.size(); ++o) {
    if (kernel.operands[o] == leaf && !read_in_place(body, leaves[o])) return false;
  }
  return true;
}

std::vector<int64_t> EntryPlanner::in_place_operands(int i) const {
  std::vector<int64_t> in_place(node(i).types.size(), -1);
  bool any = false;
  for (size_t r = 0; r < in_place.size(); ++r) {
    auto overwritten = overwrites_.find({i, static_cast<int>(r)});
    if (overwritten == overwrites_.end()) continue;
    const auto& operands = node(i).operands;
    auto operand = std::find(operands.begin(), operands.end(), overwritten->second);
    if (operand == operands.end()) continue;
    in_place[r] = operand - operands.begin();
    any = true;
  }
  return any ? in_place : std::vector<int64_t>{};
}

// Whether the kernel's schedule depends on how its operands are aligned.
bool EntryPlanner::may_read_wide(int i) const {
  const std::string& kernel_class = node(i).attributes.string("class");
  return shared_.target().is_cuda() && (kernel_class == "conv" || kernel_class == "matmul");
}

void EntryPlanner::emit_kernel(int i) {
  if (is_empty(i) || is_view(i)) return;
  std::vector<BufferForm> operands, results;
  std::string key;
  const bool wide_reads = may_read_wide(i);
  for (Value operand : node(i).operands) {
    const Placement& placement = placements_.at(operand);
    operands.push_back(placement.form);
    const Buffer& buffer = shared_.program().buffers[static_cast<size_t>(placement.buffer)];
    operands.back().aligned = wide_reads && buffer.offset % int64_t{rt::kCudaAlignment} == 0;
    key += fmt::format(" {}", placement.buffer);
  }
  for (size_t r = 0; r < node(i).types.size(); ++r)
    results.push_back(form({i, static_cast<int>(r)}));
  KernelRequest request =
      kernel_request(node(i), operands, results, in_place_operands(i), shared_.target());
  const std::string schedule = request.schedule;
  std::string symbol = shared_.add_request(std::move(request));
  // Kernels over vectors are alike for results of several shapes; their placements are not.
  for (const BufferForm& result : results) key += " " + form_text(result);
  key = symbol + key;

  bool ships = false;  // read by the entry's own steps, so not in the arena
  for (size_t r = 0; is_prepare_[i] && r < results.size(); ++r) {
    ships = ships || used_outside_prepare_.contains({i, static_cast<int>(r)});
  }
  if (ships) {
    if (auto known = shared_.prepared.find(key); known != shared_.prepared.end()) {
      for (size_t r = 0; r < known->second.size(); ++r)
        placements_[{i, static_cast<int>(r)}] = known->second[r];
      return;
    }
    for (size_t r = 0; r < results.size(); ++r) {
      Value value{i, static_cast<int>(r)};
      if (placements_.contains(value)) continue;
      place(value, Storage::prepared, shared_.reserve_prepared(bytes_of(results[r])));
    }
    for (size_t r = 0; r < results.size(); ++r) {
      shared_.prepared[key].push_back(placements_.at({i, static_cast<int>(r)}));
    }
  }
  std::vector<Step>& steps = is_prepare_[i] ? shared_.program().prepare : entry_.steps;
  for (size_t r = 0; r < results.size(); ++r) {
    std::vector<Box> boxes = halo_boxes(results[r]);
    if (claim_zero_halo({i, static_cast<int>(r)}) || boxes.empty()) continue;
    Step zero;
    zero.routine = Routine::zero_boxes;
    zero.buffers = {placements_.at({i, static_cast<int>(r)}).buffer};
    zero.boxes = std::move(boxes);
    zero.name = "zero halo";
    zero.location = node(i).location;
    zero.live_bytes = live_bytes_[static_cast<size_t>(i)];
    steps.push_back(std::move(zero));
  }
  steps.push_back(kernel_step(i, symbol));
  steps.back().schedule = schedule;
}

Step EntryPlanner::kernel_step(int i, const std::string& symbol) const {
  Step step;
  step.kernel = symbol;
  step.name = kernel_name(node(i).attributes.graph("body"));
  step.location = node(i).location;
  step.live_bytes = live_bytes_[static_cast<size_t>(i)];
  step.flops = node(i).op->flops(node(i), graph_.operand_types(node(i)));
  auto add = [&](Value value) {
    step.buffers.push_back(placements_.at(value).buffer);
    step.bytes += graph_.type(value).bytes();
  };
  for (Value operand : node(i).operands) add(operand);
  for (size_t r = 0; r < node(i).types.size(); ++r) add({i, static_cast<int>(r)});
  return step;
}

void EntryPlanner::emit_final_copies() {
  for (const auto& [value, buffer] : final_copies_) {
    if (graph_.type(value).count() == 0) continue;
    Step copy;
    copy.routine = Routine::copy;
    copy.buffers = {placements_.at(value).buffer, buffer};
    copy.name = "copy";
    copy.location = graph_.node(value).location;
    copy.live_bytes = live_bytes_.back();
    copy.bytes = 2 * graph_.type(value).bytes();
    entry_.steps.push_back(std::move(copy));
  }
}

}  // namespace ag::plan
