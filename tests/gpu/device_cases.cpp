#include "tests/gpu/device_cases.h"

#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/index.h"
#include "ir/ops/norm.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/pool.h"
#include "ir/ops/random.h"
#include "ir/ops/reduce.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

DeviceCase device_case(const std::string& label, std::function<void(CaseBuilder&)> build,
                       std::string reaches) {
  return {{"device", label, {DType::f32}, std::move(build)}, std::move(reaches)};
}

DeviceCase conv_case(const std::string& label, const Shape& lhs, const Shape& rhs,
                     const ConvOptions& options, std::string reaches) {
  return device_case(
      label,
      [=](CaseBuilder& b) {
        Tensor y = conv(b.operand(lhs, -0.5, 0.5), b.operand(rhs, -0.5, 0.5), options);
        b.result(relu(y + b.operand({1, y.shape()[1], 1, 1})));
      },
      std::move(reaches));
}

DeviceCase matmul_case(const std::string& label, const Shape& a, const Shape& b_shape,
                       const MatmulOptions& options, std::string reaches) {
  return device_case(
      label,
      [=](CaseBuilder& b) {
        b.result(matmul(b.operand(a, -0.5, 0.5), b.operand(b_shape, -0.5, 0.5), options));
      },
      std::move(reaches));
}

DeviceCase of_one(const std::string& label, const Shape& shape, Tensor (*op)(const Tensor&),
                  std::string reaches) {
  return device_case(
      label, [=](CaseBuilder& b) { b.result(op(b.operand(shape))); }, std::move(reaches));
}

void add_contractions(std::vector<DeviceCase>& cases) {
  cases.push_back(conv_case("conv_3x3", {4, 16, 28, 28}, {40, 16, 3, 3}, {.padding = {1, 1, 1, 1}},
                            "tile_a=2,tile_b=2"));
  cases.push_back(conv_case("conv_large", {8, 4, 56, 57}, {64, 4, 3, 3}, {.padding = {1, 1, 1, 1}},
                            "tile_a=4,tile_b=8"));
  cases.push_back(conv_case("conv_stride2", {4, 8, 29, 30}, {32, 8, 3, 3},
                            {.stride = {2, 2}, .padding = {1, 1, 1, 1}}, "parts=1,"));
  cases.push_back(conv_case("conv_1x1", {4, 64, 14, 14}, {48, 64, 1, 1}, {}, "unroll_taps=1"));
  // Its gradient towards the filter has 2304 results of sums of 3136 terms.
  cases.push_back(conv_case("conv_long_weights_sum", {16, 16, 14, 14}, {16, 16, 3, 3},
                            {.padding = {1, 1, 1, 1}}, "parts=16,"));
  cases.push_back(conv_case("depthwise", {4, 24, 28, 27}, {24, 1, 3, 3},
                            {.padding = {1, 1, 1, 1}, .groups = 24}, "axis_b=2,"));
  cases.push_back(matmul_case("matmul", {130, 96}, {96, 200}, {}, "unroll=4,"));
  cases.push_back(matmul_case("matmul_transposed", {192, 64}, {250, 64}, {.transpose_b = true},
                              "contraction{"));
  cases.push_back(matmul_case("matmul_batch", {6, 40, 32}, {6, 32, 40}, {}, "contraction{"));
  cases.push_back(
      matmul_case("one_row", {1, 512}, {700, 512}, {.transpose_b = true}, "matvec{by_rows=1,"));
  cases.push_back(matmul_case("three_rows", {3, 300}, {300, 77}, {}, "matvec{by_rows=0,"));
}

void add_reductions(std::vector<DeviceCase>& cases) {
  cases.push_back(of_one(
      "sum_all", {100, 999},
      [](const Tensor& x) {
        return reduce_sum(x * x, {0, 1});
      },
      "parts=48,"));
  cases.push_back(of_one(
      "channel_sum", {16, 8, 32, 32},
      [](const Tensor& x) {
        return reduce_sum(x, {0, 2, 3});
      },
      "columns=1,"));
  cases.push_back(of_one(
      "column_max", {4100, 24}, [](const Tensor& x) { return reduce_max(x, {0}); }, "by_rows=0,"));
  cases.push_back(of_one(
      "column_sum_rest", {300, 100}, [](const Tensor& x) { return reduce_sum(x, {0}); },
      "columns=32,"));
  cases.push_back(of_one(
      "softmax_row_rest", {6, 3, 49, 49}, [](const Tensor& x) { return softmax(x); }, "rows=4,"));
  cases.push_back(of_one(
      "short_sums", {9000, 7}, [](const Tensor& x) { return reduce_sum(x, {1}); }, "threads=1}"));
  cases.push_back(of_one(
      "softmax_rows", {37, 1000}, [](const Tensor& x) { return softmax(x); }, "row_threads=256"));
  cases.push_back(of_one(
      "softmax_short_rows", {2001, 10}, [](const Tensor& x) { return softmax(x); }, "rows=8,"));
  cases.push_back(of_one(
      "softmax_long_rows", {3, 9000}, [](const Tensor& x) { return softmax(x); },
      "row_threads=1024"));
  cases.push_back(of_one(
      "argmax", {999, 33}, [](const Tensor& x) { return argmax(x, 1); }, "reduction{"));
  cases.push_back(of_one(
      "argmax_long_rows", {3, 9001}, [](const Tensor& x) { return argmax(x, 1); }, "parts=4,"));
  cases.push_back(of_one(
      "argmin_columns", {4100, 24}, [](const Tensor& x) { return argmin(x, 0); }, "by_rows=0,"));
  cases.push_back(of_one(  // the first of many zeros
      "argmin_computed", {2, 5000}, [](const Tensor& x) { return argmin(relu(x) * x, 1); },
      "reduction{"));
  cases.push_back(device_case(  // one number: 5000 updates meet at 7 elements
      "scatter_few",
      [](CaseBuilder& b) { b.result(gather_rows(b.operand({7}), b.indices({5000}, 0, 6))); },
      "reduction{"));
  cases.push_back(device_case(
      "layer_norm",
      [](CaseBuilder& b) {
        Tensor x = b.operand({30, 768});
        b.result(layer_norm(x, b.operand({768}, 0.5, 2), b.operand({768})));
      },
      "row_threads=256"));
  cases.push_back(device_case(
      "batch_norm",
      [](CaseBuilder& b) {
        Tensor x = b.operand({8, 12, 24, 25}), scale = b.operand({12}, 0.5, 2);
        b.result(relu(batch_norm_training(x, scale, b.operand({12}), 1e-3).y));
      },
      "parts=2,"));
}

void add_sweeps(std::vector<DeviceCase>& cases) {
  cases.push_back(of_one(
      "vectors", {120000}, [](const Tensor& x) { return relu(x * 2.0 + 1.0); }, "vector=4"));
  cases.push_back(of_one(
      "transpose", {130, 77, 5},
      [](const Tensor& x) {
        return transpose(x, {2, 0, 1}) * 2.0;
      },
      "vector=1"));
  cases.push_back(of_one(
      "max_pool", {4, 8, 28, 28},
      [](const Tensor& x) {
        return max_pool(x, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1, 1, 1}});
      },
      "pointwise{"));
  cases.push_back(device_case(
      "embedding",
      [](CaseBuilder& b) {
        Tensor table = b.operand({50, 96});
        b.result(gather_rows(table, b.indices({60, 5}, 0, 49)));
      },
      "pointwise{"));
  cases.push_back(device_case(
      "erf_of_doubles",
      [](CaseBuilder& b) { b.result(erf(b.operand_of(DType::f64, {1000}, -7, 7))); },
      "pointwise{"));
  cases.push_back(device_case(
      "random",
      [](CaseBuilder& b) {
        b.result(
            random_uniform(b.values_of(DType::u32, {2}, {3735928559, 20070611}), f32({130, 40})));
      },
      "pointwise{"));
}

}  // namespace

std::vector<DeviceCase> device_cases() {
  std::vector<DeviceCase> cases;
  add_contractions(cases);
  add_reductions(cases);
  add_sweeps(cases);
  return cases;
}

}  // namespace ag
