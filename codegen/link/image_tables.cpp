#include "codegen/link/image_tables.h"

#include <llvm/IR/DataLayout.h>

#include <algorithm>
#include <limits>

#include "codegen/link/constant_tables.h"
#include "ir/diagnostics.h"
#include "ir/internal_error.h"
#include "runtime/image.h"

namespace ag {
namespace {

static_assert(static_cast<int>(plan::Storage::constant) == rt::kConstant &&
              plan::kStorageCount == rt::kStorageCount);
static_assert(static_cast<int>(DType::boolean) == ARGENT_BOOL);
static_assert(static_cast<int>(DType::u64) == ARGENT_U64);
static_assert(static_cast<int>(plan::Role::state) == ARGENT_STATE);

// Halide's type code of a dtype: signed, unsigned, float, bfloat.
uint64_t type_code(DType dtype) {
  if (dtype == DType::bf16) return 4;
  if (is_float(dtype)) return 2;
  return is_signed_integer(dtype) ? 0 : 1;
}

uint64_t packed_type(DType dtype) {
  const uint64_t bits = dtype == DType::boolean ? 1 : size_of(dtype) * 8;
  return type_code(dtype) | bits << 8 | uint64_t{1} << 16;
}

std::string_view view_of(const plan::Blob& blob) { return blob ? *blob : std::string_view(); }

class ImageBuilder {
 public:
  ImageBuilder(llvm::Module& module, const plan::Program& program, const Target& target,
               const DriverFunctions& functions, BlobTable& blobs)
      : module_(module),
        tables_(module),
        program_(program),
        target_(target),
        functions_(functions),
        blobs_(blobs) {}

  llvm::GlobalVariable* build() {
    add_tensor_infos();
    llvm::Constant* image = this->image();
    const uint64_t size = module_.getDataLayout().getTypeAllocSize(image->getType());
    if (size != sizeof(rt::Image)) {
      internal_error("image of {} bytes, the runtime expects {}", size, sizeof(rt::Image));
    }
    return tables_.global(program_.name + "_image", image);
  }

 private:
  llvm::Constant* i64(int64_t value) const { return tables_.i64(value); }
  llvm::Constant* u32(uint64_t value) const { return tables_.u32(value); }
  llvm::Constant* runtime(const char* name) { return tables_.external(name, true); }

  llvm::Constant* dims(const std::vector<plan::BufferDim>& dims) {
    Constants records;
    for (const plan::BufferDim& dim : dims) {
      records.push_back(tables_.record({u32(0), u32(static_cast<uint32_t>(dim.extent)),
                                        u32(static_cast<uint32_t>(dim.stride)), u32(0)}));
    }
    return tables_.array("dims", records);
  }

  llvm::Constant* tensor_info(const plan::Tensor& tensor) {
    Constants shape;
    for (int64_t extent : tensor.shape) shape.push_back(i64(extent));
    const int64_t bytes = element_count(tensor.shape) * static_cast<int64_t>(size_of(tensor.dtype));
    return tables_.record({tables_.text(tensor.name), tables_.array("shape", shape), i64(bytes),
                           u32(tensor.shape.size()), u32(static_cast<uint64_t>(tensor.dtype)),
                           u32(static_cast<uint64_t>(tensor.role)), u32(0)});
  }

  static bool is_stored(const plan::Tensor& tensor) {
    return tensor.role == plan::Role::parameter || tensor.role == plan::Role::state;
  }

  // Infos of all tensors: those that argent_get knows first.
  void add_tensor_infos() {
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

  llvm::Constant* info_pointers(const std::vector<int>& tensors) {
    Constants pointers;
    for (int tensor : tensors) {
      pointers.push_back(tables_.element(infos_, info_index_.at(tensor)));
    }
    return tables_.array("arguments", pointers);
  }

  // Terms that place an element of a stored tensor; none when it is row-major and dense.
  llvm::Constant* layout_terms(const plan::Tensor& tensor, uint64_t& count) {
    const plan::Buffer& buffer = program_.buffers[static_cast<size_t>(tensor.buffer)];
    const int rank = static_cast<int>(tensor.shape.size());
    const std::vector<LayoutDim> layout = tensor.layout.dims(rank);
    const auto width = static_cast<int64_t>(size_of(tensor.dtype));
    std::vector<int64_t> divisors(static_cast<size_t>(rank), 1);
    Constants terms;
    bool dense = tensor.layout.is_row_major();
    int64_t expected_stride = 1;
    for (size_t d = 0; d < layout.size(); ++d) {  // innermost first
      const LayoutDim& dim = layout[layout.size() - 1 - d];
      const plan::BufferDim& stored = buffer.dims[d];
      int64_t& divisor = divisors[static_cast<size_t>(dim.axis)];
      const int64_t modulus = dim.block ? dim.block : std::numeric_limits<int64_t>::max();
      terms.push_back(tables_.record({i64(divisor), i64(modulus), i64(stored.stride * width),
                                      u32(static_cast<uint64_t>(dim.axis)), u32(0)}));
      divisor *= dim.block ? dim.block : 1;
      dense = dense && stored.stride == expected_stride;
      expected_stride *= stored.extent;
    }
    if (dense) terms.clear();
    count = terms.size();
    return tables_.array("layout", terms);
  }

  llvm::Constant* tensor_records() {
    Constants records;
    for (const plan::Tensor* tensor : stored_) {
      if (tensor->buffer < 0) {  // its plain form was dropped: only the prepared one is there
        records.push_back(tables_.record({i64(0), tables_.null(), u32(0), u32(rt::kPrepared)}));
        continue;
      }
      const plan::Buffer& buffer = program_.buffers[static_cast<size_t>(tensor->buffer)];
      uint64_t count = 0;
      llvm::Constant* terms = layout_terms(*tensor, count);
      records.push_back(tables_.record(
          {i64(buffer.offset), terms, u32(count), u32(static_cast<uint64_t>(buffer.storage))}));
    }
    return tables_.array("stored", records);
  }

  llvm::Constant* buffer_records() {
    Constants records;
    for (const plan::Buffer& buffer : program_.buffers) {
      records.push_back(tables_.record({i64(buffer.offset), dims(buffer.dims),
                                        u32(packed_type(buffer.dtype)), u32(buffer.dims.size()),
                                        u32(static_cast<uint64_t>(buffer.storage)), u32(0)}));
    }
    return tables_.array("buffers", records);
  }

  llvm::Constant* step_infos(const std::vector<plan::Step>& steps) {
    Constants infos;
    for (const plan::Step& step : steps) {
      infos.push_back(
          tables_.record({tables_.text(step.name), tables_.text(step.location.scope),
                          tables_.text(step.location.file), i64(step.flops), i64(step.bytes),
                          u32(static_cast<uint64_t>(step.location.line)), u32(0)}));
    }
    return tables_.array("steps", infos);
  }

  // Of the steps of all entries.
  llvm::Constant* step_details() {
    Constants details;
    for (const plan::Entry& entry : program_.entries) {
      for (const plan::Step& step : entry.steps)
        details.push_back(tables_.record({tables_.text(step.schedule), i64(step.live_bytes)}));
    }
    return tables_.array("step_details", details);
  }

  // Where the caller's argument for a tensor stands: inputs first, then outputs.
  static size_t slot_of(const plan::Entry& entry, int tensor) {
    const auto input = std::find(entry.inputs.begin(), entry.inputs.end(), tensor);
    if (input != entry.inputs.end()) return static_cast<size_t>(input - entry.inputs.begin());
    const auto output = std::find(entry.outputs.begin(), entry.outputs.end(), tensor);
    if (output == entry.outputs.end()) {
      internal_error("entry {} uses a buffer of tensor {}, which it neither takes nor returns",
                     entry.name, tensor);
    }
    return entry.inputs.size() + static_cast<size_t>(output - entry.outputs.begin());
  }

  llvm::Constant* bindings(const plan::Entry& entry, uint64_t& count) {
    std::vector<int> used;
    for (const plan::Step& step : entry.steps) {
      used.insert(used.end(), step.buffers.begin(), step.buffers.end());
    }
    std::sort(used.begin(), used.end());
    used.erase(std::unique(used.begin(), used.end()), used.end());
    Constants records;
    for (int index : used) {
      const plan::Buffer& buffer = program_.buffers[static_cast<size_t>(index)];
      if (buffer.storage != plan::Storage::input && buffer.storage != plan::Storage::output) {
        continue;
      }
      records.push_back(
          tables_.record({u32(static_cast<uint64_t>(index)), u32(slot_of(entry, buffer.tensor))}));
    }
    count = records.size();
    return tables_.array("bindings", records);
  }

  llvm::Constant* entry_infos() {
    Constants infos;
    for (const plan::Entry& entry : program_.entries) {
      infos.push_back(tables_.record({tables_.text(entry.name), info_pointers(entry.inputs),
                                      info_pointers(entry.outputs), step_infos(entry.steps),
                                      u32(entry.inputs.size()), u32(entry.outputs.size()),
                                      u32(entry.steps.size()), u32(0), i64(entry.arena_bytes)}));
    }
    return tables_.array("entry_infos", infos);
  }

  llvm::Constant* entry_records() {
    Constants records;
    for (size_t i = 0; i < program_.entries.size(); ++i) {
      const plan::Entry& entry = program_.entries[i];
      uint64_t count = 0;
      llvm::Constant* bound = bindings(entry, count);
      records.push_back(tables_.record({functions_.entries[i], bound, i64(entry.arena_bytes),
                                        i64(entry.scratch_bytes), u32(count), u32(step_count_)}));
      step_count_ += entry.steps.size();
    }
    return tables_.array("entries", records);
  }

  llvm::Constant* prepare_record() {
    if (!functions_.prepare) return tables_.null();
    return tables_.array(
        "prepare",
        {tables_.record({functions_.prepare, tables_.null(), i64(program_.prepare_arena_bytes),
                         i64(program_.prepare_scratch_bytes), u32(0), u32(0)})});
  }

  // {data, bytes} of a storage's first contents.
  llvm::Constant* blob(size_t index, uint64_t bytes) {
    const std::string_view view = view_of(blobs_of(program_)[index]);
    llvm::Constant* data = view.empty() ? tables_.null() : blobs_.pointer(index, view);
    return tables_.record({data, i64(static_cast<int64_t>(bytes))});
  }

  llvm::Constant* library() {
    Constants fields = {u32(ARGENT_ABI_VERSION),
                        u32(sizeof(argent_library)),
                        tables_.text(program_.name),
                        tables_.text(target_.name),
                        entry_infos(),
                        stored_.empty() ? tables_.null() : tables_.element(infos_, 0),
                        u32(program_.entries.size()),
                        u32(stored_.size()),
                        i64(static_cast<int64_t>(view_of(program_.state).size())),
                        i64(static_cast<int64_t>(view_of(program_.parameters).size() +
                                                 view_of(program_.constants).size()) +
                            program_.prepared_bytes)};
    for (const char* function :
         {"argent_rt_open", "argent_rt_close", "argent_rt_create", "argent_rt_destroy",
          "argent_rt_run", "argent_rt_get", "argent_rt_set", "argent_rt_prepare",
          "argent_rt_set_threads", "argent_rt_profile", "argent_rt_step_times",
          "argent_rt_message"}) {
      fields.push_back(runtime(function));
    }
    fields.push_back(step_details());
    fields.push_back(runtime("argent_rt_trace"));
    return tables_.record(fields);
  }

  llvm::Constant* image() {
    llvm::Constant* entries = entry_records();
    return tables_.record(
        {library(), u32(rt::kImageVersion), u32(target_.cpu_features), entries, prepare_record(),
         step_infos(program_.prepare), buffer_records(), tensor_records(),
         i64(static_cast<int64_t>(program_.buffers.size())), u32(step_count_),
         u32(program_.prepared ? 1 : 0), blob(0, view_of(program_.state).size()),
         blob(1, view_of(program_.parameters).size()), blob(2, view_of(program_.constants).size()),
         blob(3, static_cast<uint64_t>(program_.prepared_bytes))});
  }

  llvm::Module& module_;
  ConstantTables tables_;
  const plan::Program& program_;
  const Target& target_;
  const DriverFunctions& functions_;
  BlobTable& blobs_;
  llvm::Constant* infos_ = nullptr;
  std::map<int, size_t> info_index_;  // tensor -> element of infos_
  std::vector<const plan::Tensor*> stored_;
  uint64_t step_count_ = 0;
};

}  // namespace

llvm::Constant* BlobTable::pointer(size_t index, std::string_view bytes) {
  ConstantTables tables(module_);
  if (source_ == Blobs::external) return tables.external(kBlobSymbols[index], false);
  llvm::Constant*& data = embedded_[bytes];
  if (!data) data = tables.bytes(kBlobSymbols[index], bytes, plan::kStorageAlignment);
  return data;
}

std::vector<plan::Blob> blobs_of(const plan::Program& program) {
  return {program.state, program.parameters, program.constants, program.prepared};
}

llvm::GlobalVariable* add_image(llvm::Module& module, const plan::Program& program,
                                const Target& target, const DriverFunctions& functions,
                                BlobTable& blobs) {
  return ImageBuilder(module, program, target, functions, blobs).build();
}

}  // namespace ag
