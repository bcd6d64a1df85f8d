#include "ir/ops/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ir/gradient.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "ir/philox.h"

namespace ag {
namespace {

constexpr AttributeSpec kRandomAttributes[] = {optional_integer("stream", 0),
                                               required("type", AttributeKind::type)};
constexpr AttributeSpec kDropoutAttributes[] = {required("rate", AttributeKind::number),
                                                optional_integer("stream", 0)};
constexpr int64_t kNextKeyStream = -1;

// ---- shape rules ----

void check_key(const InferContext& c, const TensorType& key) {
  if (key.with_layout({}) == tensor_type(DType::u32, {2})) return;
  throw c.error(fmt::format("key is {}", to_string(key))).help("a key is u32[2]");
}

std::vector<TensorType> infer_bits(const InferContext& c) {
  check_key(c, c.operand(0));
  const TensorType& type = c.attributes.type("type");
  if (type.dtype != DType::u32) c.fail("random words are u32, not {}", name_of(type.dtype));
  return {type};
}

std::vector<TensorType> infer_float(const InferContext& c) {
  check_key(c, c.operand(0));
  const TensorType& type = c.attributes.type("type");
  if (type.dtype != DType::f32 && type.dtype != DType::f64) {
    throw c.error(fmt::format("result is {}", to_string(type))).help("draw f32 or f64, and cast");
  }
  return {type};
}

std::vector<TensorType> infer_dropout(const InferContext& c) {
  check_key(c, c.operand(1));
  const TensorType& x = c.operand(0);
  double rate = c.attributes.number("rate");
  if (!is_float(x.dtype)) {
    throw c.error(fmt::format("operand is {}, but the op wants a float", to_string(x)))
        .help("insert a cast");
  }
  if (!(rate >= 0 && rate < 1)) {
    throw c.error(fmt::format("rate {} lies outside [0, 1)", rate))
        .help("rate is the share of elements that become zero");
  }
  return {x};
}

// ---- semantics ----

void eval_bits(const EvalContext& c) {
  const std::vector<int64_t>& words = c.operand(0).integers;
  PhiloxKey key{static_cast<uint32_t>(words[0]), static_cast<uint32_t>(words[1])};
  auto stream = static_cast<uint64_t>(c.attributes.integer("stream"));
  ReferenceTensor& y = c.result();
  for (int64_t i = 0; i < y.count(); i += 4) {
    auto block = static_cast<uint64_t>(i / 4);
    PhiloxBlock drawn =
        philox4x32(key, {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                         static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)});
    for (int64_t word = 0; word < std::min<int64_t>(4, y.count() - i); ++word)
      y.integers[i + word] = drawn[word];
  }
}

// Bits as uniform numbers in [0, 1), exact in f32.
Tensor unit_interval(Tensor bits, DType dtype) {
  return cast(shift_right(bits, 8.0), dtype) * 0x1p-24;
}

std::vector<Tensor> expand_uniform(const ExpandContext& c) {
  const TensorType& type = c.types[0];
  Tensor bits = random_bits(c.operands[0], type.shape, c.attributes.integer("stream"));
  return {unit_interval(bits, type.dtype)};
}

std::vector<Tensor> expand_normal(const ExpandContext& c) {
  const TensorType& type = c.types[0];
  Shape pairs = type.shape;
  pairs.insert(pairs.begin(), 2);
  Tensor uniform =
      unit_interval(random_bits(c.operands[0], pairs, c.attributes.integer("stream")), type.dtype);
  auto half = [&](int64_t which) {
    Integers start(pairs.size(), 0), limit = pairs;
    start[0] = which;
    limit[0] = which + 1;
    return reshape(slice(uniform, start, limit), type.shape);
  };
  Tensor radius = sqrt(-2.0 * log(1.0 - half(0)));
  return {radius * cos(half(1) * (2 * std::numbers::pi))};
}

std::vector<Tensor> expand_dropout(const ExpandContext& c) {
  Tensor x = c.operands[0];
  double rate = c.attributes.number("rate");
  Tensor bits = random_bits(c.operands[1], x.shape(), c.attributes.integer("stream"));
  double threshold = std::min(std::round(rate * 0x1p32), 0x1p32 - 1);
  return {select(greater_equal(bits, threshold), x * (1 / (1 - rate)), 0.0)};
}

int64_t flops_of_bits(const Node& node, std::span<const TensorType>) {
  return 25 * node.types[0].count();  // ten rounds of ten operations for four words
}

constexpr OpDef random_composite(std::string_view name, ExpandFunction expand) {
  return {.name = name,
          .kind = OpKind::composite,
          .arity = {1, 1},
          .attributes = kRandomAttributes,
          .infer = infer_float,
          .expand = expand,
          .differentiable = false,
          .flops = flops_of_bits};
}

}  // namespace

namespace ops {

constinit const OpDef random_bits{.name = "random_bits",
                                  .arity = {1, 1},
                                  .attributes = kRandomAttributes,
                                  .infer = infer_bits,
                                  .eval = eval_bits,
                                  .differentiable = false,
                                  .flops = flops_of_bits};
constinit const OpDef random_uniform = random_composite("random_uniform", expand_uniform);
constinit const OpDef random_normal = random_composite("random_normal", expand_normal);
constinit const OpDef dropout{.name = "dropout",
                              .kind = OpKind::composite,
                              .arity = {2, 2},
                              .attributes = kDropoutAttributes,
                              .infer = infer_dropout,
                              .expand = expand_dropout,
                              .grad =
                                  [](GradContext& g) {
                                    g.dx(0,
                                         ag::dropout(g.dy(), g.x(1), g.attributes().number("rate"),
                                                     g.attributes().integer("stream")));
                                  },
                              .flops = flops_of_bits,
                              .preserves_zero = [](const Attributes&) { return true; }};

}  // namespace ops

namespace {

Tensor draw(const OpDef& op, const Operand& key, TensorType type, int64_t stream) {
  return apply(op, {key.tensor}, {{"stream", stream}, {"type", std::move(type)}}, key.where);
}

}  // namespace

Tensor random_bits(Operand key, Shape shape, int64_t stream) {
  return draw(ops::random_bits, key, tensor_type(DType::u32, std::move(shape)), stream);
}

Tensor random_uniform(Operand key, TensorType type, int64_t stream) {
  return draw(ops::random_uniform, key, std::move(type), stream);
}

Tensor random_normal(Operand key, TensorType type, int64_t stream) {
  return draw(ops::random_normal, key, std::move(type), stream);
}

Tensor dropout(Operand x, Operand key, double rate, int64_t stream) {
  return apply(ops::dropout, {x.tensor, key.tensor}, {{"rate", rate}, {"stream", stream}}, x.where);
}

Tensor next_key(Operand key) { return random_bits(key, {2}, kNextKeyStream); }

}  // namespace ag
