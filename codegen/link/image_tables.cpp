#include "codegen/link/image_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "codegen/link/library_tables.h"
#include "runtime/image.h"

namespace ag {
namespace {

static_assert(static_cast<int>(plan::Storage::constant) == rt::kConstant &&
              plan::kStorageCount == rt::kStorageCount);

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
        library_(module, program, target),
        tables_(library_.tables()),
        program_(program),
        target_(target),
        functions_(functions),
        blobs_(blobs) {}

  llvm::GlobalVariable* build() {
    llvm::Constant* image = this->image();
    check_table_size(module_, image, sizeof(rt::Image));
    return tables_.global(program_.name + "_image", image);
  }

 private:
  llvm::Constant* i64(int64_t value) const { return tables_.i64(value); }
  llvm::Constant* u32(uint64_t value) const { return tables_.u32(value); }

  llvm::Constant* dims(const std::vector<plan::BufferDim>& dims) {
    Constants records;
    for (const plan::BufferDim& dim : dims) {
      records.push_back(tables_.record({u32(0), u32(static_cast<uint32_t>(dim.extent)),
                                        u32(static_cast<uint32_t>(dim.stride)), u32(0)}));
    }
    return tables_.array("dims", records);
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
    for (const plan::Tensor* tensor : library_.stored()) {
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

  llvm::Constant* entry_records() {
    Constants records;
    for (size_t i = 0; i < program_.entries.size(); ++i) {
      const plan::Entry& entry = program_.entries[i];
      uint64_t count = 0;
      llvm::Constant* bound = bindings(entry, count);
      records.push_back(
          tables_.record({functions_.entries[i], bound, i64(entry.arena_bytes),
                          i64(entry.scratch_bytes), u32(count), u32(entry.one_thread)}));
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

  llvm::Constant* image() {
    llvm::Constant* entries = entry_records();
    return tables_.record(
        {library_.library(), u32(rt::kImageVersion), u32(target_.cpu_features), entries,
         prepare_record(), library_.step_infos(program_.prepare), buffer_records(),
         tensor_records(), i64(static_cast<int64_t>(program_.buffers.size())), u32(0),
         u32(program_.prepared ? 1 : 0), blob(0, view_of(program_.state).size()),
         blob(1, view_of(program_.parameters).size()), blob(2, view_of(program_.constants).size()),
         blob(3, static_cast<uint64_t>(program_.prepared_bytes))});
  }

  llvm::Module& module_;
  LibraryTables library_;
  ConstantTables& tables_;
  const plan::Program& program_;
  const Target& target_;
  const DriverFunctions& functions_;
  BlobTable& blobs_;
};

}  // namespace

llvm::Constant* BlobTable::pointer(size_t index, std::string_view bytes) {
  ConstantTables tables(module_);
  if (place_ == LinkedInto::memory) return tables.external(kBlobSymbols[index], false);
  const auto same = [&](const BlobSymbol& known) { return known.bytes == bytes; };
  auto symbol = std::find_if(symbols_.begin(), symbols_.end(), same);
  if (symbol == symbols_.end())
    symbol = symbols_.insert(symbol, {fmt::format("argent_blob_{}", symbols_.size()), bytes});
  return tables.external(symbol->name, false);
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
