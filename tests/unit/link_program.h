// A planned program made by hand for the tests of codegen/link. Its kernels are in
// link_kernels.cpp.
//
//   forward_b4: scaled[4,8] = 2 · (2 · image), through an arena buffer with a halo; counts its
//   calls add:        sum[8] = exp(vector) + 2 · bias, where 2 · bias is prepared fail:       a
//   kernel that fails in row 3
#pragma once

#include <cstdlib>
#include <cstring>

#include "codegen/link/bake.h"
#include "codegen/link/emit.h"
#include "codegen/link/loaded_program.h"
#include "codegen/plan/program.h"
#include "ir/file.h"

namespace ag::test {

inline plan::Blob blob_of(std::vector<float> values) {
  return std::make_shared<const std::string>(reinterpret_cast<const char*>(values.data()),
                                             values.size() * sizeof(float));
}

inline plan::Blob kernels_for(const std::string& target) {
  const char* path = target == "aarch64" ? LINK_KERNELS_AARCH64 : LINK_KERNELS_X86_64;
  const std::vector<std::byte> bytes = read_file(path);
  return std::make_shared<const std::string>(reinterpret_cast<const char*>(bytes.data()),
                                             bytes.size());
}

// Tensors and buffers of the program, by name.
enum TensorIndex { kImage, kScaled, kVector, kSum, kBias, kCounter, kBad };
enum BufferIndex {
  kImageBuffer,
  kMiddle,
  kScaledBuffer,
  kVectorBuffer,
  kExponent,
  kSumBuffer,
  kBiasBuffer,
  kPreparedBias,
  kCounterBuffer,
  kBadBuffer,
  kBias2d,
  kPreparedBias2d,
};

inline plan::Step kernel_step(const std::string& kernel, std::vector<int> buffers, Location where) {
  plan::Step step;
  step.kernel = kernel;
  step.buffers = std::move(buffers);
  step.name = kernel;
  step.location = std::move(where);
  step.flops = 32;
  return step;
}

inline void add_tensors(plan::Program& p) {
  using plan::Role;
  const Layout pairs = Layout::parse("A2a", 1);  // [3] stored as 2 × 2, one lane of padding
  p.tensors = {{"image", DType::f32, {4, 8}, Role::input},
               {"scaled", DType::f32, {4, 8}, Role::output},
               {"vector", DType::f32, {8}, Role::input},
               {"sum", DType::f32, {8}, Role::output},
               {"bias", DType::f32, {8}, Role::parameter, kBiasBuffer},
               {"counter", DType::f32, {3}, Role::state, kCounterBuffer, pairs},
               {"bad", DType::f32, {8}, Role::output}};
}

inline void add_buffers(plan::Program& p) {
  using plan::Storage;
  const auto f = DType::f32;
  p.buffers = {{Storage::input, kImage, 0, f, {{8, 1}, {4, 8}}},
               {Storage::arena, -1, 16 * 4, f, {{8, 1}, {4, 10}}},  // pitch 10, a halo around
               {Storage::output, kScaled, 0, f, {{8, 1}, {4, 8}}},
               {Storage::input, kVector, 0, f, {{8, 1}}},
               {Storage::arena, -1, 0, f, {{8, 1}}},
               {Storage::output, kSum, 0, f, {{8, 1}}},
               {Storage::parameter, -1, 64, f, {{8, 1}}},
               {Storage::prepared, -1, 0, f, {{8, 1}}},
               {Storage::state, -1, 0, f, {{2, 1}, {2, 2}}},
               {Storage::output, kBad, 0, f, {{8, 1}}},
               {Storage::parameter, -1, 64, f, {{8, 1}, {1, 8}}},
               {Storage::prepared, -1, 0, f, {{8, 1}, {1, 8}}}};
}

// `bias` is what tells two programs with the same kernels apart.
inline plan::Program tiny_program(const std::string& name, const std::string& target, float bias) {
  plan::Program p;
  p.name = name;
  p.target = target;
  add_tensors(p);
  add_buffers(p);
  plan::Step halo;
  halo.routine = plan::Routine::zero_boxes;
  halo.buffers = {kMiddle};
  halo.boxes = {{-4, {{1, 1}, {4, 10}}}, {8 * 4, {{1, 1}, {4, 10}}}};
  halo.name = "zero halo";
  const Location conv1("net.cpp", 12, "conv1"), conv2("net.cpp", 13, "layer1.0.conv2");
  p.entries.push_back({"forward_b4",
                       {kImage},
                       {kScaled},
                       {halo, kernel_step("test_scale", {kImageBuffer, kMiddle}, conv1),
                        kernel_step("test_scale", {kMiddle, kScaledBuffer}, conv2),
                        kernel_step("test_count", {kCounterBuffer}, {})},
                       256,
                       0});
  p.entries.push_back({"add",
                       {kVector},
                       {kSum},
                       {kernel_step("test_exp", {kVectorBuffer, kExponent}, conv1),
                        kernel_step("test_add", {kExponent, kPreparedBias, kSumBuffer}, conv2)},
                       64,
                       64});
  p.entries.push_back({"fail", {}, {kBad}, {kernel_step("test_fail", {kBadBuffer}, conv2)}, 0, 0});
  p.prepare = {kernel_step("test_scale", {kBias2d, kPreparedBias2d}, conv1)};
  p.prepared_bytes = 32;
  p.parameters = blob_of(std::vector<float>(24, bias));
  p.state = blob_of({10, 20, 30, 0});
  const plan::Blob kernels = kernels_for(target);
  for (const char* kernel : {"test_scale", "test_count", "test_exp", "test_add", "test_fail"}) {
    p.kernels[kernel] = kernels;
  }
  return p;
}

inline Array ramp(Shape shape) {
  Array array(DType::f32, std::move(shape));
  for (int64_t i = 0; i < array.count(); ++i) array.set_double(i, static_cast<double>(i) / 4);
  return array;
}

}  // namespace ag::test
