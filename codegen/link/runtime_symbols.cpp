#include "codegen/link/runtime_symbols.h"

#include <array>

#include "runtime/cuda_image.h"
#include "runtime/image.h"

extern "C" {
int halide_error_out_of_memory(void*);
int halide_error_buffer_argument_is_null(void*, const char*);
int halide_error_host_is_null(void*, const char*);
int halide_error_buffer_allocation_too_large(void*, const char*, uint64_t, uint64_t);
int halide_error_specialize_fail(void*, const char*);
int halide_error_requirement_failed(void*, const char*, const char*);
}

namespace ag {
namespace {

template <class Function>
RuntimeSymbol symbol(const char* name, Function* function) {
  return {name, reinterpret_cast<void*>(function)};
}

}  // namespace

std::span<const RuntimeSymbol> runtime_symbols() {
  static const std::array symbols = {
      symbol("argent_rt_choose", argent_rt_choose),
      symbol("argent_rt_open", argent_rt_open),
      symbol("argent_rt_close", argent_rt_close),
      symbol("argent_rt_create", argent_rt_create),
      symbol("argent_rt_destroy", argent_rt_destroy),
      symbol("argent_rt_run", argent_rt_run),
      symbol("argent_rt_get", argent_rt_get),
      symbol("argent_rt_set", argent_rt_set),
      symbol("argent_rt_prepare", argent_rt_prepare),
      symbol("argent_rt_set_threads", argent_rt_set_threads),
      symbol("argent_rt_profile", argent_rt_profile),
      symbol("argent_rt_step_times", argent_rt_step_times),
      symbol("argent_rt_trace", argent_rt_trace),
      symbol("argent_rt_message", argent_rt_message),
      symbol("argent_rt_open_device", argent_rt_open_device),
      symbol("argent_rt_set_stream", argent_rt_set_stream),
      symbol("argent_cuda_choose", argent_cuda_choose),
      symbol("argent_cuda_open", argent_cuda_open),
      symbol("argent_cuda_open_device", argent_cuda_open_device),
      symbol("argent_cuda_close", argent_cuda_close),
      symbol("argent_cuda_create", argent_cuda_create),
      symbol("argent_cuda_destroy", argent_cuda_destroy),
      symbol("argent_cuda_run", argent_cuda_run),
      symbol("argent_cuda_get", argent_cuda_get),
      symbol("argent_cuda_set", argent_cuda_set),
      symbol("argent_cuda_prepare", argent_cuda_prepare),
      symbol("argent_cuda_set_threads", argent_cuda_set_threads),
      symbol("argent_cuda_set_stream", argent_cuda_set_stream),
      symbol("argent_rt_step_done", argent_rt_step_done),
      symbol("argent_rt_zero_boxes", argent_rt_zero_boxes),
      symbol("argent_rt_zero_rest", argent_rt_zero_rest),
      symbol("argent_rt_copy", argent_rt_copy),
      symbol("halide_do_par_for", halide_do_par_for),
      symbol("halide_malloc", halide_malloc),
      symbol("halide_free", halide_free),
      symbol("halide_error", halide_error),
      symbol("halide_error_out_of_memory", halide_error_out_of_memory),
      symbol("halide_error_buffer_argument_is_null", halide_error_buffer_argument_is_null),
      symbol("halide_error_host_is_null", halide_error_host_is_null),
      symbol("halide_error_buffer_allocation_too_large", halide_error_buffer_allocation_too_large),
      symbol("halide_error_specialize_fail", halide_error_specialize_fail),
      symbol("halide_error_requirement_failed", halide_error_requirement_failed),
  };
  return symbols;
}

}  // namespace ag
