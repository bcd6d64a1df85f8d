#include "tests/kernel_runner.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "codegen/plan/buffer_form.h"
#include "ir/diagnostics.h"
#include "ir/file.h"
#include "ir/internal_error.h"

// What kernels ask of a runtime, on one thread.
extern "C" {

int halide_do_par_for(void* user_context, halide_task_t task, int min, int size, uint8_t* closure) {
  for (int i = min; i < min + size; ++i) {
    if (const int error = task(user_context, i, closure)) return error;
  }
  return 0;
}

void* halide_malloc(void*, size_t bytes) { return std::aligned_alloc(128, (bytes + 255) & ~127ul); }
void halide_free(void*, void* pointer) { std::free(pointer); }
void halide_error(void*, const char* message) { ag::internal_error("kernel: {}", message); }

}  // extern "C"

namespace ag {
namespace {

constexpr size_t kAlignment = 16;  // elements: one cache line

void call(void* function, std::vector<halide_buffer_t*> a) {
  using B = halide_buffer_t*;
  a.resize(8);  // arguments a kernel does not have are passed in vain
  const int error = reinterpret_cast<int (*)(void*, B, B, B, B, B, B, B, B)>(function)(
      nullptr, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
  if (error != 0) internal_error("kernel: error {}", error);
}

}  // namespace

KernelRunner::Buffer::Buffer(const BufferForm& form) : form(form) {
  const int64_t elements = plan::bytes_of(form) / 4;
  storage.assign(static_cast<size_t>(elements) + 2 * kAlignment, 0.0f);
  origin = static_cast<size_t>(plan::origin_of(form) / 4);
  while (reinterpret_cast<uintptr_t>(&storage[origin]) % 64 != 0) ++origin;
  for (const plan::BufferDim& dim : plan::dims_of(form)) {
    dims.push_back({0, dim.extent, dim.stride, 0});
    extents.insert(extents.begin(), dim.extent);
    strides.insert(strides.begin(), dim.stride);
  }
  view.host = reinterpret_cast<uint8_t*>(&storage[origin]);
  view.type = {2, 32, 1};
  view.dimensions = static_cast<int32_t>(dims.size());
  view.dim = dims.data();
}

size_t KernelRunner::Buffer::offset(const std::vector<int64_t>& logical) const {
  const std::vector<LayoutDim> layout = form.type.layout.dims(form.type.rank());
  std::vector<int64_t> inner(logical.size(), 1);
  int64_t at = static_cast<int64_t>(origin);
  for (size_t d = layout.size(); d-- > 0;) {
    const auto [axis, block] = layout[d];
    const int64_t whole = logical[axis] / inner[axis];
    at += (block ? whole % block : whole) * strides[d];
    if (block) inner[axis] *= block;
  }
  return static_cast<size_t>(at);
}

KernelRunner::KernelRunner(const KernelRequest& request, const std::string& object)
    : operand_count_(request.operands.size()) {
  for (const auto* forms : {&request.operands, &request.results}) {
    for (const BufferForm& form : *forms) {
      buffers_.push_back(std::make_unique<Buffer>(form));
      arguments_.push_back(&buffers_.back()->view);
    }
  }
  static int count = 0;
  const std::string base = (std::filesystem::temp_directory_path() /
                            fmt::format("argent_kernel_{}_{}", getpid(), count++))
                               .string();
  write_file(base + ".o", object);
  const std::string link = fmt::format("cc -shared -o {0}.so {0}.o", base);
  if (std::system(link.c_str()) != 0) internal_error("cannot link {}.o", base);
  library_ = dlopen((base + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library_) internal_error("cannot load the kernel: {}", dlerror());
  function_ = dlsym(library_, request.symbol.c_str());
  std::filesystem::remove(base + ".o");
  std::filesystem::remove(base + ".so");
  if (!function_) internal_error("the kernel's object does not define {}", request.symbol);
}

KernelRunner::~KernelRunner() { dlclose(library_); }

void KernelRunner::set_operand(size_t i, const ReferenceTensor& value) {
  Buffer& buffer = *buffers_[i];
  std::fill(buffer.storage.begin(), buffer.storage.end(), 0.0f);
  size_t element = 0;
  for_each_index(value.shape, [&](const std::vector<int64_t>& index) {
    buffer.storage[buffer.offset(index)] = static_cast<float>(value.floats[element++]);
  });
}

void KernelRunner::poison_results() {
  for (size_t i = operand_count_; i < buffers_.size(); ++i) {
    std::fill(buffers_[i]->storage.begin(), buffers_[i]->storage.end(),
              std::numeric_limits<float>::quiet_NaN());
  }
}

void KernelRunner::run() { call(function_, arguments_); }

ReferenceTensor KernelRunner::result(size_t i) const {
  const Buffer& buffer = *buffers_[operand_count_ + i];
  ReferenceTensor value(DType::f32, buffer.form.type.shape);
  size_t element = 0;
  for_each_index(value.shape, [&](const std::vector<int64_t>& index) {
    value.floats[element++] = buffer.storage[buffer.offset(index)];
  });
  return value;
}

bool KernelRunner::surroundings_intact(size_t i) const {
  const Buffer& buffer = *buffers_[operand_count_ + i];
  enum : char { outside, lane, element };
  std::vector<char> kinds(buffer.storage.size(), outside);
  for_each_index(buffer.extents, [&](const std::vector<int64_t>& index) {
    int64_t at = static_cast<int64_t>(buffer.origin);
    for (size_t d = 0; d < index.size(); ++d) at += index[d] * buffer.strides[d];
    kinds[static_cast<size_t>(at)] = lane;
  });
  for_each_index(buffer.form.type.shape,
                 [&](const std::vector<int64_t>& index) { kinds[buffer.offset(index)] = element; });
  for (size_t k = 0; k < kinds.size(); ++k) {
    if (kinds[k] == lane && buffer.storage[k] != 0.0f) return false;
    if (kinds[k] == outside && !std::isnan(buffer.storage[k])) return false;
  }
  return true;
}

}  // namespace ag
