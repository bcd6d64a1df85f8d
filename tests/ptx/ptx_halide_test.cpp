// Pipelines scheduled for GPUs, compiled by Halide to PTX, run in the machine and compared with the
// same computed in plain C++. Every one runs with its warps and blocks in several orders.
#include <Halide.h>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "ir/dtype.h"
#include "ir/file.h"
#include "tests/ptx/halide_call.h"

using namespace ag::ptx;
using Halide::cast;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::MemoryType;
using Halide::RDom;
using Halide::RVar;
using Halide::Var;

namespace {

Var x("x"), y("y"), xi("xi"), yi("yi"), xii("xii"), yii("yii"), xo("xo"), u("u"), t("t");

// A dense tensor in device memory, innermost extent first.
template <class T>
struct Tensor {
  std::vector<int> extents;
  std::vector<T> values;
  std::vector<halide_dimension_t> dims;
  halide_buffer_t buffer{};

  explicit Tensor(std::vector<int> sizes) : extents(std::move(sizes)) {
    int stride = 1;
    for (const int extent : extents) {
      dims.push_back({0, extent, stride, 0});
      stride *= extent;
    }
    values.resize(static_cast<size_t>(stride));
    buffer.type = halide_type_of<T>();
    buffer.dimensions = static_cast<int32_t>(dims.size());
    buffer.dim = dims.data();
  }
  template <class F>
  Tensor& fill(F f) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(f(static_cast<int>(i)));
    return *this;
  }
  size_t bytes() const { return values.size() * sizeof(T); }
};

std::string object_of(Func f, const std::vector<Halide::Argument>& arguments) {
  const Halide::Target target(
      "x86-64-linux-cuda-cuda_capability_80-no_runtime-no_asserts-no_bounds_query-user_context");
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("argent_ptx_halide_{}.o", getpid()))
          .string();
  f.compile_to_module(arguments, "pipeline", target)
      .compile({{Halide::OutputFileType::object, path}});
  const std::vector<std::byte> object = ag::read_file(path);
  std::filesystem::remove(path);
  return {reinterpret_cast<const char*>(object.data()), object.size()};
}

// Runs f over the inputs; `result` gets what it computes. Returns the reports.
template <class Result, class... Inputs>
std::string run(Func f, const std::vector<ImageParam>& parameters, Tensor<Result>& result,
                Tensor<Inputs>&... inputs) {
  HalideCall call(object_of(f, {parameters.begin(), parameters.end()}), "pipeline");
  std::string text;
  std::vector<Result> first;
  for (const Order order : {Order::forward, Order::backward, Order::shuffled}) {
    Machine machine;
    machine.order = order;
    machine.seed = 3;
    const auto place = [&](auto& tensor, bool written) {
      tensor.buffer.device = machine.allocate(tensor.bytes());
      if (written) machine.write(tensor.buffer.device, tensor.values.data(), tensor.bytes());
    };
    (place(inputs, true), ...);
    place(result, false);
    text += call.run(machine, {&inputs.buffer..., &result.buffer}).text();
    machine.read(result.buffer.device, result.values.data(), result.bytes());
    CHECK(machine.allocations() == sizeof...(inputs) + 1);
    if (order == Order::forward) first = result.values;
    CHECK(first == result.values);
  }
  return text;
}

template <class T, class F>
void check(const Tensor<T>& result, double tolerance, F expected) {
  double worst = 0;
  for (size_t i = 0; i < result.values.size(); ++i) {
    const double want = expected(static_cast<int>(i));
    const double error =
        std::abs(static_cast<double>(result.values[i]) - want) / std::max(1.0, std::abs(want));
    worst = std::isnan(error) ? 1e30 : std::max(worst, error);
  }
  CHECK(worst <= tolerance);
}

// A product of two N x N matrices, followed by relu.
struct Product {
  static constexpr int N = 64;
  ImageParam a{Halide::Float(32), 2, "a"}, b{Halide::Float(32), 2, "b"};
  RDom k{0, N, "k"};
  RVar ko{"ko"}, ki{"ki"};
  Func mm{"mm"}, out{"out"};

  Product() {
    for (ImageParam* p : {&a, &b}) {
      p->dim(0).set_bounds(0, N).set_stride(1);
      p->dim(1).set_bounds(0, N).set_stride(N);
    }
    mm(x, y) = 0.f;
    mm(x, y) += a(k, y) * b(x, k);
    out(x, y) = max(mm(x, y), 0.f);
    out.bound(x, 0, N).bound(y, 0, N);
  }
  void check_right() {
    Tensor<float> left({N, N}), right({N, N}), result({N, N});
    left.fill([](int i) { return std::sin(i * 3 + i / N); });
    right.fill([](int i) { return std::cos(i - i / N * 2); });
    CHECK(run(out, {a, b}, result, left, right) == "");
    check(result, 1e-5, [&](int i) {
      double sum = 0;
      for (int q = 0; q < N; ++q) {
        sum += double{left.values[static_cast<size_t>(i / N * N + q)]} *
               double{right.values[static_cast<size_t>(q * N + i % N)]};
      }
      return std::max(sum, 0.0);
    });
  }
};

}  // namespace

TEST_CASE("pointwise: functions of one variable, a tail shifted inwards") {
  ImageParam in(Halide::Float(32), 2, "in");
  Func f("f");
  const Expr v = in(x, y);
  f(x, y) = exp(v) + sqrt(abs(v)) / (1.f + v * v) + log(abs(v) + 1.f) + sin(v) + tanh(v) +
            pow(abs(v), 1.5f) + floor(v) + round(v);
  f.gpu_tile(x, y, xi, yi, 32, 4);
  Tensor<float> input({45, 7}), result({45, 7});
  input.fill([](int i) { return (i - 157) * 0.0371; });
  CHECK(run(f, {in}, result, input) == "");
  check(result, 2e-6, [&](int i) {
    const double value = input.values[static_cast<size_t>(i)], size = std::abs(value);
    return std::exp(value) + std::sqrt(size) / (1 + value * value) + std::log(size + 1) +
           std::sin(value) + std::tanh(value) + std::pow(size, 1.5) + std::floor(value) +
           std::nearbyint(value);
  });
}

TEST_CASE("large arguments of sin take the slow way, with a table and local memory") {
  ImageParam in(Halide::Float(32), 1, "in");
  Func f("f");
  f(x) = sin(in(x));
  f.gpu_tile(x, xi, 32);
  Tensor<float> input({64}), result({64});
  input.fill([](int i) { return i % 2 ? 1e6 * (i + 1) : i; });
  CHECK(run(f, {in}, result, input) == "");
  check(result, 1e-6,
        [&](int i) { return std::sin(double{input.values[static_cast<size_t>(i)]}); });
}

TEST_CASE("vectors") {
  ImageParam in(Halide::Float(32), 2, "in");
  Func f("f");
  f(x, y) = in(x, y) * 2.f + 1.f;
  for (const auto& buffer : {Halide::OutputImageParam(in), f.output_buffer()}) {
    Halide::OutputImageParam(buffer).dim(0).set_bounds(0, 256).dim(1).set_min(0).set_stride(256);
    Halide::OutputImageParam(buffer).set_host_alignment(16);
  }
  f.bound(x, 0, 256).split(x, x, xi, 4).vectorize(xi).split(x, xo, xii, 32);
  f.gpu_blocks(xo, y).gpu_threads(xii);
  Tensor<float> input({256, 3}), result({256, 3});
  input.fill([](int i) { return i; });
  CHECK(run(f, {in}, result, input) == "");
  check(result, 0, [](int i) { return 2 * i + 1; });
}

TEST_CASE("integers: quotients by constants, narrow types, products of 64 bits") {
  ImageParam in(Halide::Int(32), 1, "in");
  Func narrow("narrow"), wide("wide");
  narrow(x) = cast<uint8_t>(in(x) / 7 % 5) + cast<uint8_t>(clamp(in(x) >> 3, 0, 255));
  narrow.gpu_tile(x, xi, 64);
  Tensor<int32_t> input({200});
  Tensor<uint8_t> bytes({200});
  input.fill([](int i) { return (i - 100) * 1009; });
  CHECK(run(narrow, {in}, bytes, input) == "");
  check(bytes, 0, [&](int i) {
    const int value = input.values[static_cast<size_t>(i)];
    const int quotient = value >= 0 ? value / 7 : -((-value + 6) / 7);
    const int remainder = (quotient % 5 + 5) % 5;
    return (remainder + std::clamp(value >> 3, 0, 255)) & 255;
  });

  ImageParam words(Halide::UInt(32), 1, "words");
  const Expr product = cast<uint64_t>(words(x)) * cast<uint64_t>(Expr(0xD2511F53u));
  wide(x) = cast<uint32_t>(product >> 32) ^ words(x);
  wide.gpu_tile(x, xi, 64);
  Tensor<uint32_t> numbers({200}), mixed({200});
  numbers.fill([](int i) { return static_cast<uint32_t>(i) * 2654435761u; });
  CHECK(run(wide, {words}, mixed, numbers) == "");
  check(mixed, 0, [&](int i) {
    const uint32_t value = numbers.values[static_cast<size_t>(i)];
    return static_cast<uint32_t>(uint64_t{value} * 0xD2511F53u >> 32) ^ value;
  });
}

TEST_CASE("other floats") {
  ImageParam doubles(Halide::Float(64), 1, "doubles"), halves(Halide::Float(16), 1, "halves");
  Func f("f"), g("g");
  f(x) = sqrt(doubles(x)) + doubles(x) / Expr(3.0) + exp(doubles(x));
  f.gpu_tile(x, xi, 32);
  Tensor<double> input({70}), result({70});
  input.fill([](int i) { return i * 0.1; });
  CHECK(run(f, {doubles}, result, input) == "");
  check(result, 1e-13, [&](int i) {
    const double value = input.values[static_cast<size_t>(i)];
    return std::sqrt(value) + value / 3 + std::exp(value);
  });

  g(x) = cast<Halide::float16_t>(cast<float>(halves(x)) * 3.f + 0.1f);
  g.gpu_tile(x, xi, 32);
  Tensor<uint16_t> shorts({70}), tripled({70});
  shorts.fill([](int i) { return ag::f16_bits(static_cast<float>(i) * 0.37f); });
  shorts.buffer.type = tripled.buffer.type = halide_type_t(halide_type_float, 16);
  CHECK(run(g, {halves}, tripled, shorts) == "");
  check(tripled, 0, [&](int i) {
    const float value = ag::f16_value(shorts.values[static_cast<size_t>(i)]);
    return ag::f16_bits(std::fma(value, 3.0f, 0.1f));
  });
}

TEST_CASE("a reduction across the threads of a block, through shared memory") {
  ImageParam in(Halide::Float(32), 2, "in");
  Func partial("partial"), sum("sum"), f("f");
  const RDom r(0, 8), q(0, 32);
  partial(u, y) = 0.f;
  partial(u, y) += in(u * 8 + r, y);
  sum(y) = 0.f;
  sum(y) += partial(q, y);
  f(x, y) = in(x, y) / sum(y);
  f.bound(x, 0, 256).split(x, xo, xi, 32).reorder(xo, xi, y).gpu_blocks(y).gpu_threads(xi);
  partial.compute_at(f, y).gpu_threads(u).update().gpu_threads(u);
  sum.compute_at(f, y);
  Tensor<float> input({256, 3}), result({256, 3});
  input.fill([](int i) { return 1 + i % 7; });
  CHECK(run(f, {in}, result, input) == "");
  check(result, 1e-6, [&](int i) {
    double total = 0;
    for (int k = 0; k < 256; ++k) total += input.values[static_cast<size_t>(i / 256 * 256 + k)];
    return input.values[static_cast<size_t>(i)] / total;
  });
}

TEST_CASE("two kernels, with an intermediate in device memory") {
  ImageParam in(Halide::Float(32), 1, "in");
  Func squares("squares"), f("f");
  squares(x) = in(x)*in(x);
  f(x) = squares(x) + squares(x + 1);
  squares.compute_root().gpu_tile(x, xi, 32);
  f.gpu_tile(x, xi, 32);
  Tensor<float> input({101}), result({100});
  input.fill([](int i) { return i; });
  CHECK(run(f, {in}, result, input) == "");
  check(result, 0, [](int i) { return i * i + (i + 1) * (i + 1); });
}

TEST_CASE("atomics: a histogram with weights") {
  ImageParam weights(Halide::Float(32), 1, "weights"), bins(Halide::Int(32), 1, "bins");
  Func h("h");
  const RDom r(0, 512);
  RVar outer("outer"), inner("inner");
  h(x) = 0.f;
  h(clamp(bins(r), 0, 63)) += weights(r);
  h.bound(x, 0, 64).gpu_tile(x, xi, 64);
  h.update().atomic(true).split(r, outer, inner, 64).gpu_blocks(outer).gpu_threads(inner);
  Tensor<float> values({512}), result({64});
  Tensor<int32_t> places({512});
  values.fill([](int i) { return i % 9; });  // sums of whole numbers: exact in any order
  places.fill([](int i) { return i * 37 % 64; });
  CHECK(run(h, {weights, bins}, result, values, places) == "");
  check(result, 0, [&](int i) {
    double total = 0;
    for (size_t k = 0; k < 512; ++k) total += places.values[k] == i ? double{values.values[k]} : 0;
    return total;
  });
}

TEST_CASE("a product with register tiles") {
  Product p;
  p.out.tile(x, y, xi, yi, 32, 32)
      .tile(xi, yi, xii, yii, 4, 4)
      .gpu_blocks(x, y)
      .gpu_threads(xi, yi);
  p.out.unroll(xii).unroll(yii);
  p.mm.compute_at(p.out, xi).unroll(x).unroll(y);
  p.mm.update().split(p.k, p.ko, p.ki, 8).reorder(p.ki, x, y, p.ko);
  p.mm.update().unroll(x).unroll(y).unroll(p.ki);
  p.check_right();
}

TEST_CASE("a product with operands staged in shared memory, and barriers in its loop") {
  Product p;
  p.out.tile(x, y, xi, yi, 32, 32)
      .tile(xi, yi, xii, yii, 4, 4)
      .gpu_blocks(x, y)
      .gpu_threads(xi, yi);
  p.out.unroll(xii).unroll(yii);
  p.mm.compute_at(p.out, x).tile(x, y, xi, yi, 4, 4).gpu_threads(x, y).unroll(xi).unroll(yi);
  p.mm.update().split(p.k, p.ko, p.ki, 8).tile(x, y, xi, yi, 4, 4);
  p.mm.update().reorder(p.ki, xi, yi, x, y, p.ko).unroll(p.ki).unroll(xi).unroll(yi);
  p.mm.update().gpu_threads(x, y);
  for (Func staged : {p.a.in(), p.b.in()}) {
    staged.compute_at(p.mm, p.ko).store_in(MemoryType::GPUShared);
    staged.gpu_threads(staged.args()[0], staged.args()[1]);
  }
  p.check_right();
}

TEST_CASE("a product whose operand goes from lane to lane") {
  Product p;
  p.out.tile(x, y, xi, yi, 64, 16).split(yi, yi, yii, 8).split(xi, xii, xi, 32);
  p.out.reorder(xii, yii, xi, yi, x, y).gpu_blocks(x, y).gpu_threads(yi).gpu_lanes(xi);
  p.out.unroll(xii).unroll(yii);
  p.mm.compute_at(p.out, yi).store_in(MemoryType::Register);
  p.mm.split(x, xo, xi, 32).reorder(xo, y, xi).gpu_lanes(xi).unroll(xo).unroll(y);
  p.mm.update().split(x, xo, xi, 32).split(p.k, p.ko, p.ki, 32).reorder(xo, y, p.ki, xi, p.ko);
  p.mm.update().gpu_lanes(xi).unroll(xo).unroll(y);
  Func staged = p.a.in();
  staged.compute_at(p.mm, p.ko).store_in(MemoryType::Register);
  staged.gpu_lanes(staged.args()[0]).unroll(staged.args()[1]);
  p.check_right();
}

TEST_CASE("what a kernel does wrong is seen: a buffer too small, an output never read as written") {
  ImageParam in(Halide::Float(32), 1, "in");
  Func f("f");
  f(x) = in(x + 1);
  f.gpu_tile(x, xi, 32);
  Tensor<float> input({64}), result({64});
  CHECK(run(f, {in}, result, input).starts_with("out of bounds: "));

  // Claims that updates of one place do not race, without atomics.
  Func count("count");
  const RDom r(0, 64);
  RVar outer("outer"), inner("inner");
  count(x) = 0.f;
  count(r % 4) += in(r);
  count.bound(x, 0, 4).gpu_tile(x, xi, 4);
  count.update().allow_race_conditions().split(r, outer, inner, 64);
  count.update().gpu_blocks(outer).gpu_threads(inner);
  Tensor<float> counts({4});
  input.fill([](int) { return 1; });
  HalideCall call(object_of(count, {in}), "pipeline");
  Machine machine;
  input.buffer.device = machine.allocate(input.bytes());
  machine.write(input.buffer.device, input.values.data(), input.bytes());
  counts.buffer.device = machine.allocate(counts.bytes());
  CHECK(call.run(machine, {&input.buffer, &counts.buffer}).has(Fault::global_race));
}
