// The matrix product of our own (codegen/nvptx/gemm.cpp) in the PTX machine: products and
// convolutions of every kind, with their gradients and with what is elementwise behind them, in
// tiles of every shape, in f32, f16 and bf16, equal the interpreter of the IR, and nothing is
// reported; and the reports come where a barrier or a wait is taken out.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "codegen/compile.h"
#include "codegen/nvptx/compile.h"
#include "codegen/schedule/cuda/gemm.h"
#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "ir/parse.h"
#include "tests/check_close.h"
#include "tests/gpu/ptx_assembler.h"
#include "tests/ptx/kernel_device.h"

using namespace ag;

namespace {

using Build = std::function<void(CaseBuilder&)>;

OpCase row_of(const std::string& label, Build build) {
  return {"gemm", label, {DType::f32}, std::move(build)};
}

Tensor operand(CaseBuilder& b, const Shape& shape) { return b.operand(shape, -0.5, 0.5); }

OpCase product(const std::string& label, const Shape& a, const Shape& b_shape,
               const MatmulOptions& options = {}) {
  return row_of(label, [=](CaseBuilder& b) {
    b.result(matmul(operand(b, a), operand(b, b_shape), options));
  });
}

OpCase convolution(const std::string& label, const Shape& lhs, const Shape& rhs,
                   const ConvOptions& options = {}) {
  return row_of(label,
                [=](CaseBuilder& b) { b.result(conv(operand(b, lhs), operand(b, rhs), options)); });
}

const std::set<std::string> kInHalves{
    "product",  "whole_tiles", "transposed_a", "transposed_b", "batch",     "1x1",      "3x3",
    "stride_2", "masks",       "dilated",      "groups",       "bias_gelu", "functions"};

// Sizes that no tile divides, but for one; every operand lies both ways; all kinds of windows.
std::vector<OpCase> rows() {
  std::vector<OpCase> all = {
      product("product", {70, 45}, {45, 50}),
      product("whole_tiles", {64, 32}, {32, 128}),
      product("transposed_a", {21, 66}, {21, 37}, {.transpose_a = true}),
      product("transposed_b", {33, 19}, {65, 19}, {.transpose_b = true}),
      product("batch", {2, 3, 10, 17}, {2, 3, 17, 9}),
      product("tiny", {5, 3}, {3, 7}),
      convolution("1x1", {2, 20, 7, 9}, {33, 20, 1, 1}),
      convolution("3x3", {2, 5, 9, 10}, {34, 5, 3, 3}, {.padding = {1, 1, 1, 1}}),
      convolution("stride_2", {2, 4, 11, 12}, {17, 4, 3, 3},
                  {.stride = {2, 2}, .padding = {1, 0, 2, 1}}),
      convolution("dilated", {1, 3, 13, 14}, {9, 3, 3, 2},
                  {.padding = {2, 2, 1, 1}, .rhs_dilation = {2, 3}}),
      convolution("cropped", {1, 3, 9, 9}, {9, 3, 3, 3}, {.padding = {-1, 1, 0, -2}}),
      convolution("groups", {2, 8, 7, 7}, {12, 4, 3, 3}, {.padding = {1, 1, 1, 1}, .groups = 2}),
      convolution("signal", {2, 6, 40}, {10, 6, 5}, {.padding = {2, 2}}),
      convolution("video", {1, 3, 5, 6, 6}, {8, 3, 3, 3, 3}, {.padding = {1, 1, 1, 1, 1, 1}}),
  };
  all.push_back(row_of("transposed_conv", [](CaseBuilder& b) {
    b.result(conv_transpose(operand(b, {1, 6, 5, 6}), operand(b, {6, 4, 3, 3}),
                            {.stride = {2, 2}, .padding = {1, 1, 1, 1}}));
  }));
  all.push_back(row_of("bias_residual_relu", [](CaseBuilder& b) {
    Tensor y = conv(operand(b, {2, 6, 8, 9}), operand(b, {20, 6, 3, 3}), {.padding = {1, 1, 1, 1}});
    b.result(relu(y + operand(b, {1, 20, 1, 1}) + operand(b, y.shape())));
  }));
  all.push_back(row_of("bias_gelu", [](CaseBuilder& b) {
    b.result(gelu(matmul(b.operand({33, 40}), b.operand({40, 36})) + b.operand({36})));
  }));
  all.push_back(row_of("functions", [](CaseBuilder& b) {
    Tensor y = matmul(b.operand({20, 12}), b.operand({12, 24}));
    b.result(tanh(y) * sigmoid(y) + exp(y * 0.25));
    b.result(select(greater(y, b.operand({24})), sqrt(abs(y) + 0.5), minimum(y, -y) / 3.0));
  }));
  all.push_back(row_of("masks", [](CaseBuilder& b) {
    Tensor y = matmul(operand(b, {20, 12}), operand(b, {12, 24}));
    Tensor bounds = bit_and(greater(y, b.operand({24}, -1, 0)), less(y, b.operand({20, 1}, 0, 1)));
    b.result(select(bit_or(bounds, logical_not(greater(y, -y))), y, y * 2.0));
    b.result(select(b.mask({20, 24}), y, y - 1.0));
  }));
  all.push_back(row_of("transposed_result", [](CaseBuilder& b) {
    b.result(transpose(matmul(operand(b, {3, 18, 20}), operand(b, {3, 20, 22})), {1, 0, 2}));
  }));
  return all;
}

// Threads' tiles of all shapes, rings of all lengths, shared sums, copies along either side.
std::vector<GemmTile> tiles() {
  return {{32, 32, 8, 4, 4, 2, 1, false, false},
          {64, 64, 8, 4, 4, 3, 1, true, false},
          {64, 32, 16, 8, 4, 4, 2, false, true},
          {32, 128, 8, 4, 8, 3, 3, true, true},
          {128, 128, 8, 8, 8, 3, 1, true, false}};
}

bool is_product(const KernelCase& test) {
  return GemmView::of(parse(test.request.text, "body.ag"), test.request.operands,
                      test.request.results)
      .has_value();
}

GemmView view_of(const KernelCase& test) {
  return *GemmView::of(parse(test.request.text, "body.ag"), test.request.operands,
                       test.request.results);
}

// The tile with copies as wide as operands that are aligned allow.
GemmTile with_wide_copies(KernelCase& test, GemmTile tile) {
  for (BufferForm& form : test.request.operands) form.aligned = true;
  const GemmView view = view_of(test);
  const auto widest = [&](const GemmOperand& side, bool by_depth, GemmIndex other) {
    const int64_t copy = widest_copy(view, side, by_depth ? GemmIndex::depth : other);
    return std::min(copy, tile.depth);
  };
  tile.left_copy = widest(view.left, tile.left_by_depth, GemmIndex::row);
  tile.right_copy = widest(view.right, tile.right_by_depth, GemmIndex::column);
  return tile;
}

// Results are rounded once, where they are stored.
double allowed(const Array& result) {
  if (result.dtype() == DType::f16) return 0x1.01p-11;
  return result.dtype() == DType::bf16 ? 0x1.01p-8 : 1e-5;
}

KernelResult compile(KernelCase& test, const GemmTile& tile) {
  test.request.schedule = tile.schedule().text();
  return nvptx::compile_kernel(test.request);
}

void check_run(KernelCase test, const GemmTile& tile) {
  CAPTURE(test.row);
  CAPTURE(test.request.text);
  CAPTURE(tile.schedule().text());
  const KernelResult kernel = compile(test, tile);
  for (const ptx::Order order : {ptx::Order::forward, ptx::Order::shuffled}) {
    KernelDevice device(test, kernel);
    CHECK(device.run(order) == "");
    for (size_t i = 0; i < test.results.size(); ++i)
      check_close(device.result(i), test.results[i], allowed(device.result(i)));
  }
}

KernelCase first_case(const OpCase& row, DType dtype = DType::f32) {
  for (KernelCase& test : kernel_cases(row, dtype, find_target("cuda-sm_80"))) {
    if (is_product(test)) return std::move(test);
  }
  FAIL(row.label << " has no product");
  return {};
}

// A 1x1 convolution of a concat, which the fusion gives the ops in front of it.
KernelCase computed_on_the_way() {
  const OpCase row = row_of("prologue", [](CaseBuilder& b) {
    Tensor x = concat({operand(b, {2, 32, 12, 13}), operand(b, {2, 16, 12, 13})}, 1);
    Tensor y = relu(x * b.operand({1, 48, 1, 1}, 0.5, 2) + b.operand({1, 48, 1, 1}));
    b.result(conv(y, operand(b, {32, 48, 1, 1})) + b.operand({1, 32, 1, 1}));
  });
  const BuiltCase built = build_case(row, DType::f32);
  const Target& target = find_target("cuda-sm_80");
  const Graph graph = lower_to_kernels(built.graph, target);
  const auto values = interpret_all(graph, built.bindings);
  for (int i = 0; i < graph.size(); ++i) {
    if (!graph.node(i).is(ops::kernel)) continue;
    KernelCase test = kernel_case(row.label, graph, i, values, target);
    if (is_product(test)) return test;
  }
  FAIL("no kernel is a product");
  return {};
}

// Assembles a kernel for a device; returns the most registers a thread has.
int check_assembly(const std::string& ptxas, const char* device, const KernelResult& kernel,
                   const KernelCase& test, const GemmTile& tile) {
  CAPTURE(test.row);
  CAPTURE(tile.schedule().text());
  int registers = 0;
  for (const PtxReport& report : ptx_reports(ptxas, kernel.ptx, device)) {
    CHECK(report.registers * tile.threads() <= 65536);
    CHECK(report.spilled_bytes == 0);
    CHECK(report.stack_bytes == 0);
    registers = std::max(registers, report.registers);
    if (report.entry.ends_with("_0"))
      CHECK(report.shared_bytes == tile.shared_bytes(view_of(test)));
  }
  return registers;
}

bool runs_all() {
  const char* all = std::getenv("ARGENT_CUDA_CASES");
  return all && std::string(all) == "all";
}

// What the machine says of a kernel whose text was changed.
std::string reports_without(const std::string& instruction) {
  KernelCase test = first_case(product("product", {40, 100}, {100, 40}));
  KernelResult kernel = compile(test, {32, 32, 8, 4, 4, 3, 1, false, false});
  const size_t at = kernel.ptx.find(instruction);
  REQUIRE(at != kernel.ptx.npos);
  kernel.ptx.erase(at, kernel.ptx.find(';', at) + 1 - at);
  return KernelDevice(test, kernel).run(ptx::Order::shuffled);
}

}  // namespace

TEST_CASE("products and convolutions in all tiles equal the interpreter, and nothing is reported") {
  const std::vector<GemmTile> all = tiles();
  int kernels = 0, runs = 0;
  size_t next = 0;
  for (const OpCase& row : rows()) {
    bool found = false;
    for (const KernelCase& test : kernel_cases(row, DType::f32, find_target("cuda-sm_80"))) {
      if (!is_product(test)) continue;
      found = true;
      ++kernels;
      const size_t count = runs_all() ? all.size() : 2;
      for (size_t i = 0; i < count; ++i, ++runs) check_run(test, all[next++ % all.size()]);
    }
    CHECK_MESSAGE(found, row.label << " is no product");
  }
  fmt::print("{} products, run {} times, of {}\n", kernels, runs, kernels * all.size());
}

TEST_CASE("operands of two bytes: sums in f32, results rounded") {
  const std::vector<GemmTile> all = tiles();
  int runs = 0;
  size_t next = 0;
  for (const OpCase& row : rows()) {
    if (!kInHalves.contains(row.label)) continue;
    for (const DType dtype : {DType::f16, DType::bf16}) {
      for (const KernelCase& test : kernel_cases(row, dtype, find_target("cuda-sm_80"))) {
        if (!is_product(test)) continue;
        check_run(test, all[next++ % all.size()]);
        ++runs;
      }
    }
  }
  fmt::print("{} products of f16 and bf16\n", runs);
}

TEST_CASE("casts behind a product round where the graph says so") {
  check_run(first_case(row_of("casts",
                              [](CaseBuilder& b) {
                                Tensor y = matmul(operand(b, {20, 12}), operand(b, {12, 24}));
                                Tensor wide = cast(y, DType::f32);
                                b.result(wide + b.operand_of(DType::f32, {24}));
                                b.result(cast(cast(wide * 3.0, DType::bf16), DType::f32));
                              }),
                       DType::f16),
            tiles()[0]);
}

TEST_CASE("an operand that is computed on the way in equals the interpreter") {
  const KernelCase test = computed_on_the_way();
  CHECK_FALSE(view_of(test).right.is_stored());
  for (const GemmTile& tile : tiles()) check_run(test, tile);
}

// 16 bytes from operands that lie as the panels do, or along the depth; the rest of some rows and
// columns; and of a batch or image whose end a group must not cross.
TEST_CASE("wide copies of aligned operands equal the interpreter, and nothing is reported") {
  const OpCase wide[] = {product("across", {72, 40}, {40, 88}),
                         product("transposed", {24, 48}, {24, 40}, {.transpose_a = true}),
                         product("by_depth", {40, 48}, {56, 48}, {.transpose_b = true}),
                         product("batch", {2, 16, 24}, {2, 24, 40}),
                         product("pairs", {33, 18}, {18, 34}),
                         convolution("1x1", {2, 16, 4, 6}, {24, 16, 1, 1})};
  std::map<int64_t, int> copies;
  for (const OpCase& row : wide) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      for (KernelCase& test : kernel_cases(row, dtype, find_target("cuda-sm_80"))) {
        if (!is_product(test)) continue;
        for (const GemmTile& plain : {tiles()[0], tiles()[3]}) {
          const GemmTile tile = with_wide_copies(test, plain);
          ++copies[tile.left_copy];
          ++copies[tile.right_copy];
          check_run(test, tile);
        }
      }
    }
  }
  for (const int64_t count : {1, 2, 4, 8}) CHECK(copies[count] > 0);
}

TEST_CASE("a copy is as wide as what is known of the operand") {
  const auto widest = [](const OpCase& row, DType dtype, bool right, GemmIndex along,
                         bool aligned = true) {
    KernelCase test = first_case(row, dtype);
    for (BufferForm& form : test.request.operands) form.aligned = aligned;
    const GemmView view = view_of(test);
    return widest_copy(view, right ? view.right : view.left, along);
  };
  const OpCase even = product("even", {16, 24}, {24, 40});
  CHECK(widest(even, DType::f32, true, GemmIndex::column) == 4);
  CHECK(widest(even, DType::f16, true, GemmIndex::column) == 8);
  CHECK(widest(even, DType::f32, true, GemmIndex::column, false) == 1);  // may lie anywhere
  CHECK(widest(even, DType::f32, true, GemmIndex::depth) == 1);          // no neighbours
  CHECK(widest(even, DType::f32, false, GemmIndex::depth) == 4);
  CHECK(widest(product("pairs", {16, 24}, {24, 42}), DType::f32, true, GemmIndex::column) == 2);
  CHECK(widest(product("odd", {16, 24}, {24, 41}), DType::f32, true, GemmIndex::column) == 1);
  // Neighbours of an image may be 49 apart; a padded one has taps between.
  CHECK(widest(convolution("7x7", {2, 8, 7, 7}, {16, 8, 1, 1}), DType::f32, true,
               GemmIndex::column) == 1);
  CHECK(widest(convolution("3x3", {2, 8, 8, 8}, {16, 8, 3, 3}, {.padding = {1, 1, 1, 1}}),
               DType::f32, true, GemmIndex::column) == 1);
}

TEST_CASE("a result may overwrite what is added, and lie in a larger buffer") {
  KernelCase test = first_case(row_of("sum", [](CaseBuilder& b) {
    b.result(operand(b, {40, 50}) + matmul(operand(b, {40, 30}), operand(b, {30, 50})));
  }));
  size_t added = 0;
  while (test.operands[added].shape != Shape{40, 50}) ++added;
  for (BufferForm* form : {&test.request.operands[added], &test.request.results[0]})
    form->strides = {64, 1};
  test.request.in_place = {static_cast<int64_t>(added)};
  for (const GemmTile& tile : tiles()) {
    KernelResult kernel = compile(test, tile);
    KernelDevice device(test, kernel);
    CHECK(device.run(ptx::Order::backward) == "");
    check_close(device.result(0), test.results[0], 1e-5);
  }
}

TEST_CASE("without its barrier a product races") {
  CHECK(reports_without("bar.sync").find("race in shared memory") != std::string::npos);
}

TEST_CASE("without its wait a product reads what has not arrived") {
  CHECK(reports_without("cp.async.wait_group").find("uninitialised read") != std::string::npos);
}

TEST_CASE("every tile assembles, within a multiprocessor") {
  const std::optional<std::string> ptxas = find_pinned_ptxas();
  if (!ptxas) {
    MESSAGE("skipped: needs ptxas (scripts/requirements.txt, or ARGENT_PTXAS)");
    return;
  }
  std::vector<KernelCase> cases{computed_on_the_way()};
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
    cases.push_back(first_case(product("product", {304, 400}, {400, 504}), dtype));
  int registers = 0;
  for (KernelCase& test : cases) {
    for (const GemmTile& plain : tiles()) {
      for (const GemmTile& tile : {plain, with_wide_copies(test, plain)}) {
        const KernelResult kernel = compile(test, tile);
        for (const char* device : {"sm_80", "sm_90"})
          registers = std::max(registers, check_assembly(*ptxas, device, kernel, test, tile));
      }
    }
  }
  fmt::print("at most {} registers a thread\n", registers);
}

TEST_CASE("large products are ours, small and narrow ones Halide's") {
  const auto schedule = [](const OpCase& row, DType dtype = DType::f32) {
    return first_case(row, dtype).request.schedule;
  };
  const std::string ours = std::string(kGemm) + "{";
  CHECK(schedule(product("large", {256, 128}, {128, 256})).starts_with(ours));
  CHECK(schedule(convolution("large", {4, 16, 28, 28}, {32, 16, 3, 3})).starts_with(ours));
  for (const DType half : {DType::f16, DType::bf16}) {
    CHECK(schedule(product("large", {256, 128}, {128, 256}), half).starts_with(ours));
    CHECK_FALSE(schedule(product("narrow", {4, 4096}, {4096, 512}), half).starts_with(ours));
  }
  CHECK_FALSE(schedule(product("small", {32, 32}, {32, 32})).starts_with(ours));
  CHECK_FALSE(schedule(product("narrow", {4, 4096}, {4096, 512})).starts_with(ours));
  // Few results of long sums: blocks share them.
  const std::string long_sums = schedule(product("long", {64, 65536}, {65536, 64}));
  CHECK(long_sums.starts_with(ours));
  CHECK(long_sums.find("parts=1,") == std::string::npos);
}

TEST_CASE("tiles that cannot be are refused") {
  KernelCase test = first_case(product("product", {40, 40}, {40, 40}));
  for (const GemmTile& tile :
       {GemmTile{48, 32, 8, 4, 4}, GemmTile{32, 32, 8, 2, 4}, GemmTile{32, 32, 8, 8, 8},
        GemmTile{128, 128, 8, 16, 8}, GemmTile{32, 32, 8, 4, 4, 1}, GemmTile{128, 128, 32, 8, 8},
        GemmTile{32, 32, 8, 4, 4, 2, 1, false, false, 4, 1},
        GemmTile{32, 32, 8, 4, 4, 2, 1, false, false, 1, 4}}) {
    CHECK(tile.problem(view_of(test)) != "");
    CHECK_THROWS_AS(compile(test, tile), CompileError);
  }
}
