#include "codegen/plan/device_memory.h"

#include <map>

namespace ag::plan {
namespace {

// The caller's tensors of one entry, and their places in its arena.
class Staging {
 public:
  Staging(Program& program, Entry& entry) : program_(program), entry_(entry) {}

  void run() {
    const int64_t before = entry_.arena_bytes;
    for (Step& step : entry_.steps) {
      for (int& buffer : step.buffers) buffer = on_device(buffer);
    }
    std::vector<Step> steps;
    for (int tensor : entry_.inputs) add_transfer(steps, Routine::upload, tensor);
    for (Step& step : entry_.steps) steps.push_back(std::move(step));
    for (int tensor : entry_.outputs) add_transfer(steps, Routine::download, tensor);
    entry_.steps = std::move(steps);
    staged_bytes_ = entry_.arena_bytes - before;
  }
  int64_t staged_bytes() const { return staged_bytes_; }

 private:
  static bool is_callers(const Buffer& buffer) {
    return buffer.storage == Storage::input || buffer.storage == Storage::output;
  }

  static int64_t bytes_of(const Tensor& tensor) {
    return element_count(tensor.shape) * static_cast<int64_t>(size_of(tensor.dtype));
  }

  int add(Buffer buffer) {
    program_.buffers.push_back(std::move(buffer));
    return static_cast<int>(program_.buffers.size()) - 1;
  }

  // Where the tensor's bytes are in the arena.
  int64_t place_of(int tensor) {
    const auto [place, is_new] = places_.try_emplace(tensor, entry_.arena_bytes);
    if (!is_new) return place->second;
    const int64_t end = entry_.arena_bytes + bytes_of(program_.tensors[tensor]);
    entry_.arena_bytes = (end + kStorageAlignment - 1) / kStorageAlignment * kStorageAlignment;
    return place->second;
  }

  int on_device(int index) {
    if (!is_callers(program_.buffers[index])) return index;
    const auto [moved, is_new] = moved_.try_emplace(index, -1);
    if (!is_new) return moved->second;
    Buffer buffer = program_.buffers[index];
    buffer.offset += place_of(buffer.tensor);
    buffer.storage = Storage::arena;
    buffer.tensor = -1;
    return moved->second = add(std::move(buffer));
  }

  // The whole tensor, dense and by rows.
  Buffer whole(int tensor, Storage storage) {
    Buffer buffer{storage, tensor, 0, program_.tensors[tensor].dtype, {}};
    int32_t stride = 1;
    const Shape& shape = program_.tensors[tensor].shape;
    for (size_t axis = shape.size(); axis-- > 0;) {
      buffer.dims.push_back({static_cast<int32_t>(shape[axis]), stride});
      stride *= static_cast<int32_t>(shape[axis]);
    }
    return buffer;
  }

  void add_transfer(std::vector<Step>& steps, Routine routine, int tensor) {
    if (!places_.contains(tensor)) return;  // no step touches it
    const bool is_upload = routine == Routine::upload;
    const int callers = add(whole(tensor, is_upload ? Storage::input : Storage::output));
    Buffer device = whole(tensor, Storage::arena);
    device.offset = places_.at(tensor);
    device.tensor = -1;
    const int devices = add(std::move(device));
    Step step;
    step.routine = routine;
    step.buffers = {is_upload ? callers : devices, is_upload ? devices : callers};
    step.name = (is_upload ? "upload " : "download ") + program_.tensors[tensor].name;
    step.bytes = 2 * bytes_of(program_.tensors[tensor]);
    steps.push_back(std::move(step));
  }

  Program& program_;
  Entry& entry_;
  std::map<int, int64_t> places_;  // tensor -> offset in the arena
  std::map<int, int> moved_;       // buffer of the caller's -> of the device's
  int64_t staged_bytes_ = 0;
};

}  // namespace

void place_on_device(ProgramPlan& plan) {
  for (size_t i = 0; i < plan.program.entries.size(); ++i) {
    Entry& entry = plan.program.entries[i];
    Staging staging(plan.program, entry);
    staging.run();
    plan.memory[i].arena_bytes = entry.arena_bytes;
    plan.memory[i].lower_bound += staging.staged_bytes();
  }
}

}  // namespace ag::plan
