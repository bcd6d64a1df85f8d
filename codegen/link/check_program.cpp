#include "codegen/link/check_program.h"

#include <algorithm>
#include <cctype>

#include "codegen/link/buffer_span.h"
#include "ir/diagnostics.h"
#include "ir/internal_error.h"
#include "runtime/checks.h"

namespace ag {
namespace {

using plan::Buffer;
using plan::Program;
using plan::Storage;

int64_t size_of_blob(const plan::Blob& blob) {
  return blob ? static_cast<int64_t>(blob->size()) : 0;
}

class Checker {
 public:
  explicit Checker(const Program& program) : program_(program) {}

  void check() {
    check_name();
    for (const plan::Tensor& tensor : program_.tensors) check_tensor(tensor);
    for (const Buffer& buffer : program_.buffers) check_rank("a buffer", buffer.dims.size());
    for (const plan::Entry& entry : program_.entries) {
      check_steps(entry.name, entry.steps, entry.arena_bytes);
    }
    if (!program_.prepared) {
      check_steps("prepare", program_.prepare, program_.prepare_arena_bytes);
    }
    if (program_.entries.empty()) internal_error("program {} has no entries", program_.name);
  }

 private:
  void check_name() const {
    const std::string& name = program_.name;
    const bool valid = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
                       std::all_of(name.begin(), name.end(),
                                   [](unsigned char c) { return std::isalnum(c) || c == '_'; });
    if (!valid) internal_error("program name '{}' is no C identifier", name);
  }

  void check_rank(const std::string& name, size_t rank) const {
    if (rank > rt::kMaxRank) internal_error("{} has rank {}, over {}", name, rank, rt::kMaxRank);
  }

  void check_tensor(const plan::Tensor& tensor) const {
    check_rank(tensor.name, tensor.shape.size());
    const bool stored = tensor.role == plan::Role::parameter || tensor.role == plan::Role::state;
    const bool dropped = tensor.buffer < 0 && program_.prepared;  // by bake_weights
    if (!stored || dropped) return;
    if (tensor.buffer < 0 || tensor.buffer >= buffer_count()) {
      internal_error("tensor {} is stored in buffer {} of {}", tensor.name, tensor.buffer,
                     buffer_count());
    }
    const Buffer& buffer = program_.buffers[static_cast<size_t>(tensor.buffer)];
    const size_t dims = tensor.layout.dims(static_cast<int>(tensor.shape.size())).size();
    if (buffer.dims.size() != dims || buffer.dtype != tensor.dtype) {
      internal_error("tensor {} is stored in a buffer of another form", tensor.name);
    }
    check_extent(tensor.name, buffer, 0);
  }

  void check_steps(const std::string& owner, const std::vector<plan::Step>& steps,
                   int64_t arena_bytes) const {
    for (const plan::Step& step : steps) {
      const std::string name = owner + "/" + step.name;
      check_call(name, step);
      for (int index : step.buffers) {
        if (index < 0 || index >= buffer_count()) {
          internal_error("{} uses buffer {} of {}", name, index, buffer_count());
        }
        check_extent(name, program_.buffers[static_cast<size_t>(index)], arena_bytes);
      }
      for (const plan::Box& box : step.boxes) check_box(name, step, box, arena_bytes);
    }
  }

  void check_call(const std::string& name, const plan::Step& step) const {
    const bool is_kernel = step.routine == plan::Routine::none;
    if (is_kernel && !program_.kernels.count(step.kernel) &&
        !program_.device_kernels.count(step.kernel)) {
      internal_error("{} calls kernel '{}', which has no object", name, step.kernel);
    }
    const size_t needed = step.routine == plan::Routine::zero_boxes ? 1 : 2;
    if (!is_kernel && step.buffers.size() != needed) {
      internal_error("{} has {} buffers, its routine takes {}", name, step.buffers.size(), needed);
    }
  }

  void check_box(const std::string& name, const plan::Step& step, const plan::Box& box,
                 int64_t arena_bytes) const {
    Buffer area = program_.buffers[static_cast<size_t>(step.buffers.at(0))];
    area.offset += box.offset;
    area.dims = box.dims;
    check_extent(name + " (box)", area, arena_bytes);
  }

  void check_extent(const std::string& name, const Buffer& buffer, int64_t arena_bytes) const {
    const auto [low, high] =
        buffer_span(buffer.offset, buffer.dims, static_cast<int64_t>(size_of(buffer.dtype)));
    const int64_t size = storage_bytes(name, buffer, arena_bytes);
    if (low < 0 || high > size) {
      internal_error("{}: a buffer reaches bytes {} to {} of a storage of {}", name, low, high,
                     size);
    }
  }

  int64_t storage_bytes(const std::string& name, const Buffer& buffer, int64_t arena_bytes) const {
    switch (buffer.storage) {
      case Storage::arena: return arena_bytes;
      case Storage::state: return size_of_blob(program_.state);
      case Storage::parameter: return size_of_blob(program_.parameters);
      case Storage::prepared: return program_.prepared_bytes;
      case Storage::constant: return size_of_blob(program_.constants);
      case Storage::input:
      case Storage::output: break;
    }
    if (buffer.tensor < 0 || buffer.tensor >= static_cast<int>(program_.tensors.size())) {
      internal_error("{}: a bound buffer of tensor {}", name, buffer.tensor);
    }
    const plan::Tensor& tensor = program_.tensors[static_cast<size_t>(buffer.tensor)];
    return element_count(tensor.shape) * static_cast<int64_t>(size_of(tensor.dtype));
  }

  int buffer_count() const { return static_cast<int>(program_.buffers.size()); }

  const Program& program_;
};

}  // namespace

void check_program(const Program& program) { Checker(program).check(); }

}  // namespace ag
