// Kernels as a kernel compiler would make them, for the tests of codegen/link: compiled for each
// target architecture by the build and handed to the linker as object bytes.
#include "runtime/halide_abi.h"

namespace {

struct Closure {
  const halide_buffer_t* in;
  const halide_buffer_t* out;
};

int scale_row(void*, int row, uint8_t* closure) {
  const Closure& c = *reinterpret_cast<const Closure*>(closure);
  const float* in = reinterpret_cast<const float*>(c.in->host) + row * c.in->dim[1].stride;
  float* out = reinterpret_cast<float*>(c.out->host) + row * c.out->dim[1].stride;
  for (int x = 0; x < c.out->dim[0].extent; ++x) {
    out[x * c.out->dim[0].stride] = 2.0f * in[x * c.in->dim[0].stride];
  }
  return 0;
}

int failing_row(void* user_context, int row, uint8_t*) {
  if (row != 3) return 0;
  halide_error(user_context, "row 3 is bad");
  return -7;
}

}  // namespace

extern "C" {

float expf(float);

// out = 2 · in over two dimensions, rows in parallel.
int test_scale(void* user_context, halide_buffer_t* in, halide_buffer_t* out) {
  Closure closure = {in, out};
  return halide_do_par_for(user_context, scale_row, 0, out->dim[1].extent,
                           reinterpret_cast<uint8_t*>(&closure));
}

// out = exp(in) over one dimension, through temporaries from the scratch region.
int test_exp(void* user_context, halide_buffer_t* in, halide_buffer_t* out) {
  const int count = out->dim[0].extent;
  auto* first = static_cast<float*>(halide_malloc(user_context, sizeof(float) * count));
  auto* second = static_cast<float*>(halide_malloc(user_context, sizeof(float) * count));
  if (!first || !second) return -1;
  for (int i = 0; i < count; ++i) first[i] = reinterpret_cast<const float*>(in->host)[i];
  for (int i = 0; i < count; ++i) second[i] = expf(first[i]);
  halide_free(user_context, first);
  for (int i = 0; i < count; ++i) reinterpret_cast<float*>(out->host)[i] = second[i];
  halide_free(user_context, second);
  return 0;
}

// counter += 1 for every element, in place.
int test_count(void*, halide_buffer_t* counter) {
  for (int i = 0; i < counter->dim[0].extent; ++i) {
    reinterpret_cast<float*>(counter->host)[i * counter->dim[0].stride] += 1.0f;
  }
  return 0;
}

// out = in + bias, element by element.
int test_add(void*, halide_buffer_t* in, halide_buffer_t* bias, halide_buffer_t* out) {
  for (int i = 0; i < out->dim[0].extent; ++i) {
    reinterpret_cast<float*>(out->host)[i] =
        reinterpret_cast<const float*>(in->host)[i] + reinterpret_cast<const float*>(bias->host)[i];
  }
  return 0;
}

int test_fail(void* user_context, halide_buffer_t* out) {
  return halide_do_par_for(user_context, failing_row, 0, out->dim[0].extent, nullptr);
}
}
