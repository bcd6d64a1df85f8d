#include "codegen/schedule/cuda/device_library.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "codegen/nvptx/bitcode.h"
#include "codegen/schedule/cuda/device_functions.h"
#include "ir/internal_error.h"

// Of libHalide.so: the library as it is linked into kernels for all capabilities that we compile
// for, and Halide's functions that call it.
extern "C" {
extern unsigned char halide_internal_initmod_ptx_compute_20_ll[];
extern int halide_internal_initmod_ptx_compute_20_ll_length;
extern const unsigned char halide_internal_initmod_ptx_dev_ll[];
extern const int halide_internal_initmod_ptx_dev_ll_length;
}

namespace ag::schedule {
namespace {

std::string_view text(const unsigned char* bytes, int length) {
  return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(length)};
}

void trim() {
  unsigned char* library = halide_internal_initmod_ptx_compute_20_ll;
  int& length = halide_internal_initmod_ptx_compute_20_ll_length;
  const std::string_view halide =
      text(halide_internal_initmod_ptx_dev_ll, halide_internal_initmod_ptx_dev_ll_length);
  const std::string trimmed =
      nvptx::with_what_is_called(text(library, length), halide, device_functions());
  if (trimmed.size() > static_cast<size_t>(length))
    internal_error("a part of the device library has {} bytes, all of it {}", trimmed.size(),
                   length);
  std::copy(trimmed.begin(), trimmed.end(), library);
  length = static_cast<int>(trimmed.size());
}

}  // namespace

void trim_device_library() {
  static const bool is_trimmed = (trim(), true);
  static_cast<void>(is_trimmed);
}

}  // namespace ag::schedule
