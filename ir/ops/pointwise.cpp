#include "ir/ops/pointwise.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "ir/gradient.h"
#include "ir/ops/leaf.h"
#include "ir/ops/view.h"

namespace ag {
namespace {

constexpr AttributeSpec kCastAttributes[] = {required("type", AttributeKind::type)};

// ---- shape rules ----

enum class Accepts { floats, numbers, integers, integers_and_bool, boolean, anything };

bool accepts(Accepts what, DType dtype) {
  switch (what) {
    case Accepts::floats: return is_float(dtype);
    case Accepts::numbers: return dtype != DType::boolean;
    case Accepts::integers: return is_integer(dtype);
    case Accepts::integers_and_bool: return !is_float(dtype);
    case Accepts::boolean: return dtype == DType::boolean;
    case Accepts::anything: return true;
  }
  return false;
}

constexpr std::string_view kAcceptNames[] = {
    "a float", "a number", "an integer", "an integer or bool", "bool", ""};

// All operands alike; the result has their type, or is bool.
template <Accepts what, bool to_bool = false>
std::vector<TensorType> infer_same(const InferContext& c) {
  const TensorType& first = c.operand(0);
  if (!accepts(what, first.dtype)) {
    throw c
        .error(fmt::format("operand is {}, but the op wants {}", to_string(first),
                           kAcceptNames[static_cast<size_t>(what)]))
        .help("insert a cast");
  }
  for (const TensorType& other : c.operands) {
    if (other.dtype != first.dtype) {
      throw c
          .error(fmt::format("operands are {} and {}", name_of(first.dtype), name_of(other.dtype)))
          .help("cast one of them");
    }
    if (other != first) c.fail("operands are {} and {}", to_string(first), to_string(other));
  }
  return {to_bool ? first.with_dtype(DType::boolean) : first};
}

std::vector<TensorType> infer_select(const InferContext& c) {
  if (c.operand(0).dtype != DType::boolean)
    c.fail("condition is {}, not bool", to_string(c.operand(0)));
  if (c.operand(0).shape != c.operand(1).shape || c.operand(1) != c.operand(2)) {
    c.fail("operands are {}, {} and {}", to_string(c.operand(0)), to_string(c.operand(1)),
           to_string(c.operand(2)));
  }
  return {c.operand(1)};
}

std::vector<TensorType> infer_cast(const InferContext& c) {
  const TensorType& to = c.attributes.type("type");
  if (to.shape != c.operand(0).shape)
    c.fail("from {} to {} changes the shape", to_string(c.operand(0)), to_string(to));
  return {to};
}

// ---- reference semantics ----

template <double (*function)(double)>
void eval_unary(const EvalContext& c) {
  for (int64_t i = 0; i < c.result().count(); ++i)
    c.result().set(i, function(c.operand(0).number(i)));
}

// Floats in double, integers in 64 bit (unsigned where the dtype is).
template <class Function>
void eval_binary(const EvalContext& c) {
  const ReferenceTensor &a = c.operand(0), &b = c.operand(1);
  Function function;
  for (int64_t i = 0; i < a.count(); ++i) {
    if (a.is_floating())
      c.result().set(i, function(a.floats[i], b.floats[i]));
    else if (is_unsigned_integer(a.dtype)) {
      c.result().integers[i] = static_cast<int64_t>(
          function(static_cast<uint64_t>(a.integers[i]), static_cast<uint64_t>(b.integers[i])));
    } else
      c.result().integers[i] = static_cast<int64_t>(function(a.integers[i], b.integers[i]));
  }
}

template <class Function>
void eval_bits(const EvalContext& c) {
  const ReferenceTensor &a = c.operand(0), &b = c.operand(1);
  bool is_signed = is_signed_integer(a.dtype);
  Function function;
  for (int64_t i = 0; i < a.count(); ++i)
    c.result().integers[i] = function(a.integers[i], b.integers[i], is_signed);
}

void eval_select(const EvalContext& c) {
  for (int64_t i = 0; i < c.result().count(); ++i) {
    c.result().copy(i, c.operand(c.operand(0).integers[i] ? 1 : 2), i);
  }
}

// Float to integer truncates toward zero and saturates; a cast to a float rounds to its width.
void eval_cast(const EvalContext& c) {
  const ReferenceTensor& x = c.operand(0);
  ReferenceTensor& y = c.result();
  for (int64_t i = 0; i < x.count(); ++i) {
    if (y.is_floating())
      y.floats[i] = round_to(y.dtype, x.number(i));
    else if (y.dtype == DType::boolean)
      y.integers[i] = x.number(i) != 0;
    else
      y.integers[i] = x.is_floating() ? static_cast<int64_t>(x.floats[i]) : x.integers[i];
  }
}

void eval_copy(const EvalContext& c) { c.result() = c.operand(0); }

struct Power {
  double operator()(double a, double b) const { return std::pow(a, b); }
};
struct Divide {
  double operator()(double a, double b) const { return a / b; }
  // Integer division truncates; by zero gives zero, as the compiled kernels do.
  template <class T>
  T operator()(T a, T b) const {
    return b == 0 ? T{0} : static_cast<T>(a / b);
  }
};
struct Maximum {
  template <class T>
  T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct Minimum {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};
struct And {
  int64_t operator()(int64_t a, int64_t b, bool) const { return a & b; }
};
struct Or {
  int64_t operator()(int64_t a, int64_t b, bool) const { return a | b; }
};
struct Xor {
  int64_t operator()(int64_t a, int64_t b, bool) const { return a ^ b; }
};
struct ShiftLeft {
  int64_t operator()(int64_t a, int64_t b, bool) const {
    return static_cast<int64_t>(static_cast<uint64_t>(a) << b);
  }
};
struct ShiftRight {
  int64_t operator()(int64_t a, int64_t b, bool is_signed) const {
    return is_signed ? a >> b : static_cast<int64_t>(static_cast<uint64_t>(a) >> b);
  }
};

double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
double relu_of(double x) { return x > 0 ? x : 0; }
double sigmoid_of(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
// Φ(x) + x φ(x), with the distribution and density of the normal distribution.
double gelu_slope_of(double x) {
  const double density = 0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;  // 1/√(2π)
  return 0.5 * std::erfc(-x * 0.5 * std::numbers::sqrt2) + x * density * std::exp(-0.5 * x * x);
}
double rsqrt_of(double x) { return 1 / std::sqrt(x); }
double reciprocal_of(double x) { return 1 / x; }
double negate_of(double x) { return -x; }
double not_of(double x) { return x == 0; }

// ---- records ----

constexpr bool keeps_zero(const Attributes&) { return true; }

constexpr OpDef unary(std::string_view name, Accepts what, EvalFunction eval, GradFunction grad,
                      bool zero_to_zero) {
  return {.name = name,
          .arity = {1, 1},
          .infer = what == Accepts::floats    ? infer_same<Accepts::floats>
                   : what == Accepts::numbers ? infer_same<Accepts::numbers>
                                              : infer_same<Accepts::boolean>,
          .eval = eval,
          .grad = grad,
          .differentiable = grad != nullptr,
          .preserves_zero = zero_to_zero ? keeps_zero : nullptr,
          .pointwise = true};
}

constexpr OpDef binary(std::string_view name, EvalFunction eval, GradFunction grad,
                       bool zero_to_zero, InferFunction infer = infer_same<Accepts::numbers>) {
  return {.name = name,
          .arity = {2, 2},
          .infer = infer,
          .eval = eval,
          .grad = grad,
          .differentiable = grad != nullptr,
          .preserves_zero = zero_to_zero ? keeps_zero : nullptr,
          .pointwise = true};
}

template <class Function>
constexpr OpDef comparison(std::string_view name) {
  return binary(name, eval_binary<Function>, nullptr, false, infer_same<Accepts::anything, true>);
}

template <class Function>
constexpr OpDef bits(std::string_view name, bool bool_too) {
  return binary(name, eval_bits<Function>, nullptr, true,
                bool_too ? infer_same<Accepts::integers_and_bool> : infer_same<Accepts::integers>);
}

// Where two operands are equal each gets half of the gradient, as in PyTorch and JAX.
void grad_extremum(GradContext& g, Tensor chosen_a, Tensor chosen_b) {
  Tensor zero = zeros_like(g.dy()), half = g.dy() * 0.5;
  Tensor tie = equal(g.x(0), g.x(1));
  g.dx(0, select(tie, half, select(chosen_a, g.dy(), zero)));
  g.dx(1, select(tie, half, select(chosen_b, g.dy(), zero)));
}

}  // namespace

namespace ops {

constinit const OpDef negate = unary(
    "negate", Accepts::numbers, eval_unary<negate_of>, [](GradContext& g) { g.dx(0, -g.dy()); },
    true);
constinit const OpDef abs = unary(
    "abs", Accepts::numbers, eval_unary<std::fabs>,
    [](GradContext& g) { g.dx(0, g.dy() * ag::sign(g.x())); }, true);
constinit const OpDef sign = unary("sign", Accepts::numbers, eval_unary<sign_of>, nullptr, true);
constinit const OpDef exp = unary(
    "exp", Accepts::floats, eval_unary<std::exp>, [](GradContext& g) { g.dx(0, g.dy() * g.y()); },
    false);
constinit const OpDef log = unary(
    "log", Accepts::floats, eval_unary<std::log>, [](GradContext& g) { g.dx(0, g.dy() / g.x()); },
    false);
constinit const OpDef sqrt = unary(
    "sqrt", Accepts::floats, eval_unary<std::sqrt>,
    [](GradContext& g) { g.dx(0, 0.5 * g.dy() / g.y()); }, true);
constinit const OpDef rsqrt = unary(
    "rsqrt", Accepts::floats, eval_unary<rsqrt_of>,
    [](GradContext& g) { g.dx(0, -0.5 * g.dy() * g.y() / g.x()); }, false);
constinit const OpDef reciprocal = unary(
    "reciprocal", Accepts::floats, eval_unary<reciprocal_of>,
    [](GradContext& g) { g.dx(0, -g.dy() * g.y() * g.y()); }, false);
constinit const OpDef sin = unary(
    "sin", Accepts::floats, eval_unary<std::sin>,
    [](GradContext& g) { g.dx(0, g.dy() * ag::cos(g.x())); }, true);
constinit const OpDef cos = unary(
    "cos", Accepts::floats, eval_unary<std::cos>,
    [](GradContext& g) { g.dx(0, -g.dy() * ag::sin(g.x())); }, false);
constinit const OpDef tanh = unary(
    "tanh", Accepts::floats, eval_unary<std::tanh>,
    [](GradContext& g) { g.dx(0, g.dy() * (1.0 - g.y() * g.y())); }, true);
constinit const OpDef erf = unary(
    "erf", Accepts::floats, eval_unary<std::erf>,
    [](GradContext& g) {
      g.dx(0, g.dy() * ag::exp(-g.x() * g.x()) * (2 * std::numbers::inv_sqrtpi));
    },
    true);
constinit const OpDef gelu_slope = unary(
    "gelu_slope", Accepts::floats, eval_unary<gelu_slope_of>,
    [](GradContext& g) {
      const double peak = 0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;  // 1/√(2π)
      Tensor square = g.x() * g.x();
      g.dx(0, g.dy() * (2.0 - square) * ag::exp(square * -0.5) * peak);
    },
    false);
constinit const OpDef sigmoid = unary(
    "sigmoid", Accepts::floats, eval_unary<sigmoid_of>,
    [](GradContext& g) { g.dx(0, g.dy() * g.y() * (1.0 - g.y())); }, false);
constinit const OpDef relu = unary(
    "relu", Accepts::floats, eval_unary<relu_of>,
    [](GradContext& g) { g.dx(0, ag::select(ag::greater(g.y(), 0.0), g.dy(), 0.0)); }, true);
constinit const OpDef floor =
    unary("floor", Accepts::floats, eval_unary<std::floor>, nullptr, true);
constinit const OpDef ceil = unary("ceil", Accepts::floats, eval_unary<std::ceil>, nullptr, true);
constinit const OpDef round =
    unary("round", Accepts::floats, eval_unary<std::nearbyint>, nullptr, true);
constinit const OpDef logical_not =
    unary("logical_not", Accepts::boolean, eval_unary<not_of>, nullptr, false);

constinit const OpDef cast{
    .name = "cast",
    .arity = {1, 1},
    .attributes = kCastAttributes,
    .infer = infer_cast,
    .eval = eval_cast,
    .grad =
        [](GradContext& g) {
          if (is_float(g.x().dtype()) && is_float(g.y().dtype()))
            g.dx(0, ag::cast(g.dy(), g.x().dtype()));
        },
    .preserves_zero = keeps_zero,
    .pointwise = true,
};

constinit const OpDef stop_gradient{
    .name = "stop_gradient",
    .arity = {1, 1},
    .infer = infer_same<Accepts::anything>,
    .eval = eval_copy,
    .differentiable = false,
    .preserves_zero = keeps_zero,
    .pointwise = true,
};

constinit const OpDef add = binary(
    "add", eval_binary<std::plus<>>,
    [](GradContext& g) {
      g.dx(0, g.dy());
      g.dx(1, g.dy());
    },
    true);
constinit const OpDef subtract = binary(
    "subtract", eval_binary<std::minus<>>,
    [](GradContext& g) {
      g.dx(0, g.dy());
      if (g.wants(1)) g.dx(1, -g.dy());
    },
    true);
constinit const OpDef multiply = binary(
    "multiply", eval_binary<std::multiplies<>>,
    [](GradContext& g) {
      if (g.wants(0)) g.dx(0, g.dy() * g.x(1));
      if (g.wants(1)) g.dx(1, g.dy() * g.x(0));
    },
    true);
constinit const OpDef divide = binary(
    "divide", eval_binary<Divide>,
    [](GradContext& g) {
      if (g.wants(0)) g.dx(0, g.dy() / g.x(1));
      if (g.wants(1)) g.dx(1, -g.dy() * g.y() / g.x(1));
    },
    false);
constinit const OpDef maximum = binary(
    "maximum", eval_binary<Maximum>,
    [](GradContext& g) {
      grad_extremum(g, ag::greater(g.x(0), g.x(1)), ag::greater(g.x(1), g.x(0)));
    },
    true);
constinit const OpDef minimum = binary(
    "minimum", eval_binary<Minimum>,
    [](GradContext& g) { grad_extremum(g, ag::less(g.x(0), g.x(1)), ag::less(g.x(1), g.x(0))); },
    true);
// The gradient towards the exponent holds for positive bases.
constinit const OpDef power = binary(
    "power", eval_binary<Power>,
    [](GradContext& g) {
      if (g.wants(0)) g.dx(0, g.dy() * g.x(1) * ag::power(g.x(0), g.x(1) - 1.0));
      if (g.wants(1)) g.dx(1, g.dy() * g.y() * ag::log(g.x(0)));
    },
    false, infer_same<Accepts::floats>);

constinit const OpDef bit_and = bits<And>("bit_and", true);
constinit const OpDef bit_or = bits<Or>("bit_or", true);
constinit const OpDef bit_xor = bits<Xor>("bit_xor", true);
constinit const OpDef shift_left = bits<ShiftLeft>("shift_left", false);
constinit const OpDef shift_right = bits<ShiftRight>("shift_right", false);

constinit const OpDef equal = comparison<std::equal_to<>>("equal");
constinit const OpDef not_equal = comparison<std::not_equal_to<>>("not_equal");
constinit const OpDef less = comparison<std::less<>>("less");
constinit const OpDef less_equal = comparison<std::less_equal<>>("less_equal");
constinit const OpDef greater = comparison<std::greater<>>("greater");
constinit const OpDef greater_equal = comparison<std::greater_equal<>>("greater_equal");

constinit const OpDef select{
    .name = "select",
    .arity = {3, 3},
    .infer = infer_select,
    .eval = eval_select,
    .grad =
        [](GradContext& g) {
          Tensor zero = zeros_like(g.dy());
          if (g.wants(1)) g.dx(1, ag::select(g.x(0), g.dy(), zero));
          if (g.wants(2)) g.dx(2, ag::select(g.x(0), zero, g.dy()));
        },
    .preserves_zero = keeps_zero,
    .pointwise = true,
};

}  // namespace ops

namespace {

Tensor one(const OpDef& op, const Operand& x) { return apply(op, {x.tensor}, {}, x.where); }

Tensor two(const OpDef& op, const Operand& a, const Operand& b) {
  Operand operands[] = {a, b};
  return apply_all(op, broadcast_together(op, operands), {}, a.where)[0];
}

}  // namespace

Tensor negate(Operand x) { return one(ops::negate, x); }
Tensor abs(Operand x) { return one(ops::abs, x); }
Tensor sign(Operand x) { return one(ops::sign, x); }
Tensor exp(Operand x) { return one(ops::exp, x); }
Tensor log(Operand x) { return one(ops::log, x); }
Tensor sqrt(Operand x) { return one(ops::sqrt, x); }
Tensor rsqrt(Operand x) { return one(ops::rsqrt, x); }
Tensor reciprocal(Operand x) { return one(ops::reciprocal, x); }
Tensor sin(Operand x) { return one(ops::sin, x); }
Tensor cos(Operand x) { return one(ops::cos, x); }
Tensor tanh(Operand x) { return one(ops::tanh, x); }
Tensor erf(Operand x) { return one(ops::erf, x); }
Tensor gelu_slope(Operand x) { return one(ops::gelu_slope, x); }
Tensor sigmoid(Operand x) { return one(ops::sigmoid, x); }
Tensor relu(Operand x) { return one(ops::relu, x); }
Tensor floor(Operand x) { return one(ops::floor, x); }
Tensor ceil(Operand x) { return one(ops::ceil, x); }
Tensor round(Operand x) { return one(ops::round, x); }
Tensor logical_not(Operand x) { return one(ops::logical_not, x); }
Tensor stop_gradient(Operand x) { return one(ops::stop_gradient, x); }

Tensor cast(Operand x, DType dtype) {
  if (x.tensor.dtype() == dtype) return x.tensor;
  return apply(ops::cast, {x.tensor}, {{"type", x.tensor.type().with_dtype(dtype)}}, x.where);
}

Tensor add(Operand a, Operand b) { return two(ops::add, a, b); }
Tensor subtract(Operand a, Operand b) { return two(ops::subtract, a, b); }
Tensor multiply(Operand a, Operand b) { return two(ops::multiply, a, b); }
Tensor divide(Operand a, Operand b) { return two(ops::divide, a, b); }
Tensor maximum(Operand a, Operand b) { return two(ops::maximum, a, b); }
Tensor minimum(Operand a, Operand b) { return two(ops::minimum, a, b); }
Tensor power(Operand a, Operand b) { return two(ops::power, a, b); }
Tensor bit_and(Operand a, Operand b) { return two(ops::bit_and, a, b); }
Tensor bit_or(Operand a, Operand b) { return two(ops::bit_or, a, b); }
Tensor bit_xor(Operand a, Operand b) { return two(ops::bit_xor, a, b); }
Tensor shift_left(Operand a, Operand b) { return two(ops::shift_left, a, b); }
Tensor shift_right(Operand a, Operand b) { return two(ops::shift_right, a, b); }
Tensor equal(Operand a, Operand b) { return two(ops::equal, a, b); }
Tensor not_equal(Operand a, Operand b) { return two(ops::not_equal, a, b); }
Tensor less(Operand a, Operand b) { return two(ops::less, a, b); }
Tensor less_equal(Operand a, Operand b) { return two(ops::less_equal, a, b); }
Tensor greater(Operand a, Operand b) { return two(ops::greater, a, b); }
Tensor greater_equal(Operand a, Operand b) { return two(ops::greater_equal, a, b); }

Tensor select(Operand condition, Operand a, Operand b) {
  Operand arms[] = {a, b};
  std::vector<Tensor> values = broadcast_together(ops::select, arms);
  Operand all[] = {{values[0], a.where}, {values[1], b.where}, condition};
  values = broadcast_together(ops::select, all);
  return apply(ops::select, {values[2], values[0], values[1]}, {}, condition.where);
}

}  // namespace ag
