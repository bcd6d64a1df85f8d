#include "codegen/link/cuda_tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "codegen/link/device_code.h"
#include "codegen/link/library_tables.h"
#include "ir/diagnostics.h"
#include "ir/internal_error.h"
#include "runtime/cuda_image.h"

namespace ag {
namespace {

using plan::Storage;

constexpr int64_t kMostRowsOfBlocks = 65535;  // along y and z, of every device
constexpr int64_t kAlignment = 256;  // of what shares an allocation, as of device memory itself

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t size_of_blob(const plan::Blob& blob) {
  return blob ? static_cast<int64_t>(blob->size()) : 0;
}

bool is_dense(const plan::Buffer& buffer) {
  int64_t stride = 1;
  for (const plan::BufferDim& dim : buffer.dims) {
    if (dim.extent != 1 && dim.stride != stride) return false;
    stride *= dim.extent;
  }
  return true;
}

// Where weights and constants lie in the memory that instances share.
struct SharedMemory {
  int64_t parameters = 0, constants = 0, prepared = 0, bytes = 0;
  std::map<std::string, int64_t> kernels;  // their own constants

  explicit SharedMemory(const plan::Program& program) {
    parameters = add(size_of_blob(program.parameters));
    constants = add(size_of_blob(program.constants));
    prepared = add(program.prepared_bytes);
    for (const auto& [symbol, kernel] : program.device_kernels)
      kernels[symbol] = add(static_cast<int64_t>(kernel->constants.size()));
  }

 private:
  int64_t add(int64_t size) {
    const int64_t offset = bytes;
    bytes = aligned(bytes + size);
    return offset;
  }
};

// An input or output of an entry and its place in the arena.
struct Slot {
  int tensor = -1;
  int64_t staging = -1;  // -1: no step touches it
  size_t step = 0;       // that copies it
};

void check_launch(const plan::Step& step, const KernelLaunch& launch) {
  if (launch.arguments.size() > rt::kCudaMostArguments) {
    throw CompileError(fmt::format("compile: kernel '{}' has {} operands; one of a CUDA program "
                                   "has {} at most",
                                   step.name, launch.arguments.size(), rt::kCudaMostArguments))
        .at(step.location);
  }
  if (*std::max_element(launch.blocks.begin() + 1, launch.blocks.end()) > kMostRowsOfBlocks) {
    throw CompileError(fmt::format("compile: kernel '{}' has a grid of {} blocks, of which a "
                                   "device launches {} at most along the second and third axis",
                                   step.name, fmt::join(launch.blocks, " x "), kMostRowsOfBlocks))
        .at(step.location)
        .help("use a smaller batch");
  }
}

// The steps of an entry, or of prepare, as launches.
struct Work {
  std::string name;
  const std::vector<plan::Step>& steps;
  int64_t arena_bytes, scratch_bytes;
  size_t input_count = 0;
  std::vector<Slot> slots = {};

  int64_t scratch_at() const { return aligned(arena_bytes); }
};

class CudaTables {
 public:
  CudaTables(llvm::Module& module, const plan::Program& program, const Target& target,
             BlobTable& blobs)
      : module_(module),
        library_(module, program, target),
        tables_(library_.tables()),
        program_(program),
        target_(target),
        blobs_(blobs),
        shared_(program) {}

  llvm::GlobalVariable* build() {
    llvm::Constant* image = this->image();
    check_table_size(module_, image, sizeof(rt::CudaImage));
    return tables_.global(program_.name + "_image", image);
  }

 private:
  llvm::Constant* i64(int64_t value) const { return tables_.i64(value); }
  llvm::Constant* u32(uint64_t value) const { return tables_.u32(value); }
  const plan::Buffer& buffer(int index) const {
    return program_.buffers[static_cast<size_t>(index)];
  }

  llvm::Constant* code(const char* name, const std::string& bytes, int capability) {
    return tables_.record({tables_.bytes(name, bytes, plan::kStorageAlignment),
                           i64(static_cast<int64_t>(bytes.size())),
                           u32(static_cast<uint64_t>(capability)), u32(0)});
  }

  llvm::Constant* modules() {
    const std::string ptx = ptx_module(program_);
    Constants codes;
    const std::optional<std::string> ptxas =
        blobs_.place() == LinkedInto::file ? find_ptxas() : std::nullopt;
    if (ptxas) {
      const int capability = target_.compute_capability;
      codes.push_back(code("cubin", assemble_ptx(*ptxas, ptx, capability), capability));
    }
    codes.push_back(code("ptx", ptx + '\0', 0));
    const auto count = static_cast<int64_t>(codes.size());
    return tables_.array("modules", {tables_.record({tables_.array("codes", codes), i64(count)})});
  }

  // ---- entries ----

  Work work_of(const plan::Entry& entry) const {
    Work work{entry.name, entry.steps, entry.arena_bytes, entry.scratch_bytes, entry.inputs.size()};
    for (int tensor : entry.inputs) work.slots.push_back({tensor});
    for (int tensor : entry.outputs) work.slots.push_back({tensor});
    for (size_t i = 0; i < entry.steps.size(); ++i) {
      const plan::Step& step = entry.steps[i];
      const bool is_upload = step.routine == plan::Routine::upload;
      if (!is_upload && step.routine != plan::Routine::download) continue;
      const int callers = buffer(step.buffers.at(is_upload ? 0 : 1)).tensor;
      Slot& slot = work.slots[slot_of(entry, callers)];
      slot.staging = buffer(step.buffers.at(is_upload ? 1 : 0)).offset;
      slot.step = i;
    }
    if (work.slots.size() > rt::kCudaMostSlots) {
      throw CompileError(
          fmt::format("compile: {} has {} inputs and outputs; a CUDA program has "
                      "{} at most",
                      entry.name, work.slots.size(), rt::kCudaMostSlots));
    }
    return work;
  }

  int64_t bytes_of(int tensor) const {
    const plan::Tensor& of = program_.tensors[static_cast<size_t>(tensor)];
    return element_count(of.shape) * static_cast<int64_t>(size_of(of.dtype));
  }

  llvm::Constant* argument(rt::CudaStorage storage, int64_t offset, size_t slot = 0) const {
    return tables_.record({i64(offset), u32(storage), u32(slot)});
  }

  // A place in the arena that stands for a tensor of the caller's is that tensor.
  llvm::Constant* arena_argument(const Work& work, int64_t offset) const {
    for (size_t i = 0; i < work.slots.size(); ++i) {
      const Slot& slot = work.slots[i];
      if (slot.staging < 0 || offset < slot.staging) continue;
      if (offset < slot.staging + bytes_of(slot.tensor))
        return argument(rt::kCudaSlot, offset - slot.staging, i);
    }
    return argument(rt::kCudaArena, offset);
  }

  llvm::Constant* buffer_argument(const Work& work, const plan::Buffer& buffer) const {
    switch (buffer.storage) {
      case Storage::arena: return arena_argument(work, buffer.offset);
      case Storage::state: return argument(rt::kCudaState, buffer.offset);
      case Storage::parameter: return argument(rt::kCudaShared, shared_.parameters + buffer.offset);
      case Storage::prepared: return argument(rt::kCudaShared, shared_.prepared + buffer.offset);
      case Storage::constant: return argument(rt::kCudaShared, shared_.constants + buffer.offset);
      case Storage::input:
      case Storage::output: break;
    }
    internal_error("{}: a kernel reads or writes the caller's memory", work.name);
  }

  llvm::Constant* launch_argument(const Work& work, const plan::Step& step,
                                  const LaunchArgument& given) const {
    switch (given.memory) {
      case LaunchArgument::Memory::parameter:
        return buffer_argument(work, buffer(step.buffers.at(static_cast<size_t>(given.where))));
      case LaunchArgument::Memory::scratch:
        return argument(rt::kCudaArena, work.scratch_at() + given.where);
      case LaunchArgument::Memory::constants: break;
    }
    return argument(rt::kCudaShared, shared_.kernels.at(step.kernel) + given.where);
  }

  llvm::Constant* size3(const std::vector<int64_t>& sizes) const {
    Constants numbers;
    for (int64_t size : sizes) numbers.push_back(u32(static_cast<uint64_t>(size)));
    return llvm::ConstantArray::get(llvm::ArrayType::get(numbers[0]->getType(), 3), numbers);
  }

  llvm::Constant* launch(const Work& work, size_t index, const KernelLaunch& launch) {
    const plan::Step& step = work.steps[index];
    check_launch(step, launch);
    Constants arguments;
    for (const LaunchArgument& given : launch.arguments)
      arguments.push_back(launch_argument(work, step, given));
    return tables_.record({tables_.text(launch.entry), tables_.array("launch", arguments),
                           u32(arguments.size()), u32(0), size3(launch.blocks),
                           size3(launch.threads), u32(static_cast<uint64_t>(launch.shared_bytes)),
                           u32(index)});
  }

  llvm::Constant* launches(const Work& work, size_t& count) {
    Constants records;
    for (size_t i = 0; i < work.steps.size(); ++i) {
      if (work.steps[i].routine != plan::Routine::none) continue;
      for (const KernelLaunch& each : program_.device_kernels.at(work.steps[i].kernel)->launches)
        records.push_back(launch(work, i, each));
    }
    count = records.size();
    return tables_.array("launches", records);
  }

  llvm::Constant* slots(const Work& work) {
    Constants records;
    for (const Slot& slot : work.slots) {
      records.push_back(
          tables_.record({tables_.text(program_.tensors[static_cast<size_t>(slot.tensor)].name),
                          i64(bytes_of(slot.tensor)), i64(slot.staging), u32(slot.step), u32(0)}));
    }
    return tables_.array("slots", records);
  }

  llvm::Constant* entry(const Work& work) {
    size_t launch_count = 0;
    llvm::Constant* list = launches(work, launch_count);
    return tables_.record({tables_.text(work.name), slots(work), list,
                           i64(work.scratch_at() + work.scratch_bytes), u32(work.input_count),
                           u32(work.slots.size() - work.input_count), u32(launch_count),
                           u32(work.steps.size())});
  }

  llvm::Constant* entries() {
    Constants records;
    for (const plan::Entry& each : program_.entries) records.push_back(entry(work_of(each)));
    return tables_.array("entries", records);
  }

  llvm::Constant* prepare() {
    if (program_.prepare.empty()) return tables_.null();
    const Work work{"prepare", program_.prepare, program_.prepare_arena_bytes,
                    program_.prepare_scratch_bytes};
    return tables_.array("prepare", {entry(work)});
  }

  // ---- memory ----

  llvm::Constant* fills(size_t& count) {
    Constants records;
    const auto add = [&](llvm::Constant* data, size_t bytes, int64_t offset) {
      if (bytes)
        records.push_back(tables_.record({data, i64(static_cast<int64_t>(bytes)), i64(offset)}));
    };
    const auto add_blob = [&](size_t index, int64_t offset) {
      const plan::Blob blob = blobs_of(program_)[index];
      if (blob) add(blobs_.pointer(index, *blob), blob->size(), offset);
    };
    add_blob(1, shared_.parameters);
    add_blob(2, shared_.constants);
    for (const auto& [symbol, kernel] : program_.device_kernels) {
      add(tables_.bytes("constants", kernel->constants, plan::kStorageAlignment),
          kernel->constants.size(), shared_.kernels.at(symbol));
    }
    count = records.size();
    return tables_.array("fills", records);
  }

  llvm::Constant* tensors() {
    Constants records;
    for (const plan::Tensor* tensor : library_.stored()) {
      const plan::Buffer& stored = buffer(tensor->buffer);
      if (!tensor->layout.is_row_major() || !is_dense(stored))
        internal_error("{} is not stored by rows", tensor->name);
      const bool own = stored.storage == Storage::state;
      const int64_t base = own                                   ? 0
                           : stored.storage == Storage::constant ? shared_.constants
                                                                 : shared_.parameters;
      records.push_back(tables_.record(
          {i64(base + stored.offset), u32(own ? rt::kCudaState : rt::kCudaShared), u32(0)}));
    }
    return tables_.array("stored", records);
  }

  llvm::Constant* image() {
    size_t fill_count = 0;
    llvm::Constant* fill_table = fills(fill_count);
    const plan::Blob& state = program_.state;
    return tables_.record({library_.library(), u32(rt::kCudaImageVersion),
                           u32(static_cast<uint64_t>(target_.compute_capability)), modules(),
                           entries(), prepare(), fill_table, tensors(),
                           state ? blobs_.pointer(0, *state) : tables_.null(),
                           i64(size_of_blob(state)), i64(shared_.bytes), u32(1), u32(fill_count)});
  }

  llvm::Module& module_;
  LibraryTables library_;
  ConstantTables& tables_;
  const plan::Program& program_;
  const Target& target_;
  BlobTable& blobs_;
  const SharedMemory shared_;
};

}  // namespace

llvm::GlobalVariable* add_cuda_image(llvm::Module& module, const plan::Program& program,
                                     const Target& target, BlobTable& blobs) {
  return CudaTables(module, program, target, blobs).build();
}

}  // namespace ag
