#include "tests/plan_interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/internal_error.h"
#include "ir/ops/kernel.h"
#include "ir/parse.h"

namespace ag {
namespace {

using plan::Buffer;
using plan::Storage;

// Elements from element (0, …, 0) of a stored tensor to one at a logical position.
int64_t stored_index(const BufferForm& form, const Shape& extents, const Integers& at) {
  const std::vector<LayoutDim> dims = form.type.layout.dims(form.type.rank());
  std::vector<int64_t> inner(form.type.rank(), 1);
  int64_t index = 0, dense = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    const auto& [axis, block] = dims[d];
    int64_t part = at[axis] / inner[axis];
    if (at[axis] < 0) part = at[axis];  // a halo; its axis has no block
    if (block != 0) {
      part %= block;
      inner[axis] *= block;
    }
    index += part * (form.strides.empty() ? dense : form.strides[d]);
    dense *= extents[d];
  }
  return index;
}

// The positions of a form with its halo and padding lanes.
struct Region {
  Shape low, extents;  // along each logical axis

  explicit Region(const BufferForm& form) {
    for (int axis = 0; axis < form.type.rank(); ++axis) {
      const int64_t block = form.type.layout.block_of(axis), extent = form.type.shape[axis];
      BufferForm::Halo halo;
      if (!form.halo.empty()) halo = form.halo[axis];
      low.push_back(halo.low);
      extents.push_back(halo.low + (extent + block - 1) / block * block + halo.high);
    }
  }
};

bool is_inside(const Integers& at, const Shape& shape) {
  for (size_t axis = 0; axis < at.size(); ++axis) {
    if (at[axis] < 0 || at[axis] >= shape[axis]) return false;
  }
  return true;
}

}  // namespace

PlanInterpreter::PlanInterpreter(const plan::ProgramPlan& plan, const Bindings& leaves)
    : plan_(plan) {
  const plan::Program& program = plan.program;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const int64_t arena = std::max(program.entries.at(0).arena_bytes, program.prepare_arena_bytes);
  memory_[{Storage::arena, -1}].assign(arena / 4, nan);
  memory_[{Storage::prepared, -1}].assign(program.prepared_bytes / 4, nan);
  for (const Buffer& buffer : program.buffers) {
    if (buffer.storage != Storage::state && buffer.storage != Storage::parameter) continue;
    std::vector<double>& bytes = memory_[{buffer.storage, -1}];
    int64_t end = buffer.offset / 4 + 1;
    for (const plan::BufferDim& dim : buffer.dims) end += (dim.extent - 1) * int64_t{dim.stride};
    bytes.resize(std::max<size_t>(bytes.size(), end), nan);
  }
  for (size_t t = 0; t < program.tensors.size(); ++t) {
    const plan::Tensor& tensor = program.tensors[t];
    const auto found = leaves.find(tensor.name);
    if (tensor.role == plan::Role::output || found == leaves.end()) {
      memory_[{Storage::output, static_cast<int>(t)}].assign(element_count(tensor.shape), nan);
    } else if (tensor.buffer < 0) {
      memory_[{Storage::input, static_cast<int>(t)}] = found->second.floats;
    } else {
      write(program.buffers[tensor.buffer], {{tensor.dtype, tensor.shape}, {}, {}}, found->second);
    }
  }
}

std::vector<double>& PlanInterpreter::memory(const Buffer& buffer) {
  const bool bound = buffer.storage == Storage::input || buffer.storage == Storage::output;
  return memory_[{buffer.storage, bound ? buffer.tensor : -1}];
}

void PlanInterpreter::complain(const std::string& what) {
  if (complaint_.empty()) complaint_ = what;
}

void PlanInterpreter::run() {
  run_steps(plan_.program.prepare);
  run_steps(plan_.program.entries.at(0).steps);
}

void PlanInterpreter::run_steps(const std::vector<plan::Step>& steps) {
  for (const plan::Step& step : steps) {
    if (step.routine == plan::Routine::zero_boxes) run_zero(step);
    const bool transfers =
        step.routine == plan::Routine::upload || step.routine == plan::Routine::download;
    if (step.routine == plan::Routine::copy || transfers) run_copy(step);
    if (step.routine != plan::Routine::none) continue;
    const auto request =
        std::find_if(plan_.requests.begin(), plan_.requests.end(),
                     [&](const KernelRequest& r) { return r.symbol == step.kernel; });
    if (request == plan_.requests.end()) internal_error("no kernel {}", step.kernel);
    run_kernel(step, *request);
  }
}

ReferenceTensor PlanInterpreter::read(const Buffer& buffer, const BufferForm& form,
                                      const std::string& what) {
  const std::vector<double>& bytes = memory(buffer);
  const Shape physical = form.type.layout.physical_shape(form.type.shape);
  ReferenceTensor value(form.type.dtype, form.type.shape);
  const Shape strides = row_major_strides(form.type.shape);
  const Region region(form);
  for_each_index(region.extents, [&](const Integers& index) {
    Integers at = index;
    for (size_t axis = 0; axis < at.size(); ++axis) at[axis] -= region.low[axis];
    const double stored = bytes.at(buffer.offset / 4 + stored_index(form, physical, at));
    if (is_inside(at, form.type.shape)) {
      value.set(linear_index(at, strides), stored);
      if (std::isnan(stored)) complain(what + " reads what nobody wrote");
    } else if (stored != 0) {
      complain(fmt::format("{} has {} where zero belongs", what, stored));
    }
  });
  return value;
}

void PlanInterpreter::write(const Buffer& buffer, const BufferForm& form,
                            const ReferenceTensor& value) {
  std::vector<double>& bytes = memory(buffer);
  BufferForm inside = form;
  inside.halo.clear();
  const Shape physical = form.type.layout.physical_shape(form.type.shape);
  const Shape strides = row_major_strides(form.type.shape);
  for_each_index(Region(inside).extents, [&](const Integers& at) {
    const bool exists = is_inside(at, form.type.shape);
    bytes.at(buffer.offset / 4 + stored_index(form, physical, at)) =
        exists ? value.number(linear_index(at, strides)) : 0;
  });
}

void PlanInterpreter::run_kernel(const plan::Step& step, const KernelRequest& request) {
  const Graph body = parse(request.text, "kernel.ag");
  const std::vector<Value> leaves = body_leaves(body);
  const std::vector<Buffer>& buffers = plan_.program.buffers;
  Bindings bindings;
  for (size_t o = 0; o < leaves.size(); ++o) {
    bindings[body.leaf_name(leaves[o])] =
        read(buffers[step.buffers[o]], request.operands[o],
             fmt::format("{} {}: operand {}", step.name, step.location.scope, o));
  }
  const std::vector<ReferenceTensor> results = interpret(body, bindings);
  for (size_t r = 0; r < results.size(); ++r)
    write(buffers[step.buffers[leaves.size() + r]], request.results[r], results[r]);
}

void PlanInterpreter::run_zero(const plan::Step& step) {
  const Buffer& buffer = plan_.program.buffers[step.buffers[0]];
  for (const plan::Box& box : step.boxes) {
    Shape extents;
    for (const plan::BufferDim& dim : box.dims) extents.push_back(dim.extent);
    for_each_index(extents, [&](const Integers& at) {
      int64_t index = (buffer.offset + box.offset) / 4;
      for (size_t d = 0; d < at.size(); ++d) index += at[d] * box.dims[d].stride;
      memory(buffer).at(index) = 0;
    });
  }
}

void PlanInterpreter::run_copy(const plan::Step& step) {
  const Buffer &from = plan_.program.buffers[step.buffers[0]],
               &to = plan_.program.buffers[step.buffers[1]];
  Shape extents;
  for (const plan::BufferDim& dim : to.dims) extents.push_back(dim.extent);
  for_each_index(extents, [&](const Integers& at) {
    int64_t source = from.offset / 4, target = to.offset / 4;
    for (size_t d = 0; d < at.size(); ++d) {
      source += at[d] * from.dims[d].stride;
      target += at[d] * to.dims[d].stride;
    }
    memory(to).at(target) = memory(from).at(source);
  });
}

ReferenceTensor PlanInterpreter::value(const std::string& name) const {
  const plan::Program& program = plan_.program;
  for (size_t t = 0; t < program.tensors.size(); ++t) {
    const plan::Tensor& tensor = program.tensors[t];
    if (tensor.name != name || tensor.role == plan::Role::input) continue;
    ReferenceTensor value(tensor.dtype, tensor.shape);
    if (tensor.buffer < 0) {
      value.floats = memory_.at({Storage::output, static_cast<int>(t)});
      return value;
    }
    const Buffer& buffer = program.buffers[tensor.buffer];
    const std::vector<double>& bytes = memory_.at({buffer.storage, -1});
    for (int64_t i = 0; i < value.count(); ++i) value.set(i, bytes.at(buffer.offset / 4 + i));
    return value;
  }
  internal_error("no output {}", name);
}

}  // namespace ag
