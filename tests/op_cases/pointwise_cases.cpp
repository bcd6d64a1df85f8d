#include "ir/ops/pointwise.h"
#include "tests/op_cases.h"

namespace ag {
namespace {

using Unary = Tensor (*)(Operand);
using Binary = Tensor (*)(Operand, Operand);

struct UnaryRow {
  const char* op;
  Unary build;
  double low, high;
};

constexpr UnaryRow kUnaryRows[] = {
    {"exp", exp, -3, 3},
    {"log", log, 0.1, 9},
    {"sqrt", sqrt, 0.1, 9},
    {"rsqrt", rsqrt, 0.3, 9},
    {"reciprocal", reciprocal, 0.3, 4},
    {"sin", sin, -7, 7},
    {"cos", cos, -7, 7},
    {"tanh", tanh, -4, 4},
    {"erf", erf, -3, 3},
    {"gelu_slope", gelu_slope, -7, 7},
    {"sigmoid", sigmoid, -9, 9},
    {"relu", relu, -2, 2},
    {"floor", floor, -5, 5},
    {"ceil", ceil, -5, 5},
    {"round", round, -5, 5},
};

void add_unary(OpCases& table) {
  for (const UnaryRow& row : kUnaryRows) {
    table.push_back({row.op, "odd", kFloats, [row](CaseBuilder& b) {
                       b.result(row.build(b.operand({3, 5, 7}, row.low, row.high)));
                     }});
  }
  for (auto [op, build] :
       {std::pair<const char*, Unary>{"negate", negate}, {"abs", abs}, {"sign", sign}}) {
    table.push_back({op, "odd", kAllNumbers, [build](CaseBuilder& b) {
                       b.result(build(b.operand({3, 5, 7}, -5, 5)));
                     }});
  }
  // Values at kinks and ties, by the convention of PyTorch.
  for (auto [op, build] :
       {std::pair<const char*, Unary>{"relu", relu}, {"abs", abs}, {"sign", sign}}) {
    table.push_back({op, "at_zero", kWideFloats,
                     [build](CaseBuilder& b) {
                       b.result(build(b.values({3}, {-1, 0, 2})));
                     },
                     false});
  }
  table.push_back({"round", "half_to_even", kWideFloats,
                   [](CaseBuilder& b) {
                     b.result(round(b.values({7}, {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5})));
                   },
                   false});
  table.push_back({"logical_not", "odd", {DType::boolean}, [](CaseBuilder& b) {
                     b.result(logical_not(b.mask({3, 5})));
                   }});
  table.push_back({"stop_gradient", "alone", kAllDTypes,
                   [](CaseBuilder& b) {
                     b.result(stop_gradient(b.operand({3, 5})));
                   },
                   false});
  table.push_back({"stop_gradient", "product", kFloats,
                   [](CaseBuilder& b) {
                     Tensor x = b.operand({5});
                     b.result(x * stop_gradient(x * x));
                   },
                   false});
}

struct BinaryRow {
  const char* op;
  Binary build;
  std::vector<DType> dtypes;
  double low, high;      // of the first operand
  double low_b, high_b;  // of the second
};

const std::vector<DType> kBits{DType::i32, DType::i64, DType::i16, DType::i8,     DType::u32,
                               DType::u64, DType::u16, DType::u8,  DType::boolean};

const BinaryRow kBinaryRows[] = {
    {"add", add, kAllNumbers, -2, 2, -3, 3},
    {"subtract", subtract, kAllNumbers, -2, 2, -3, 3},
    {"multiply", multiply, kAllNumbers, -2, 2, -3, 3},
    {"divide", divide, kAllNumbers, -20, 20, 1, 5},
    {"maximum", maximum, kAllNumbers, -2, 2, -2, 2},
    {"minimum", minimum, kAllNumbers, -2, 2, -2, 2},
    {"power", power, kFloats, 0.2, 3, -2, 2},
    {"bit_and", bit_and, kBits, 0, 100, 0, 60},
    {"bit_or", bit_or, kBits, 0, 100, 0, 60},
    {"bit_xor", bit_xor, kBits, 0, 100, 0, 60},
    {"shift_left", shift_left, kIntegers, 0, 7, 0, 4},
    {"shift_right", shift_right, kIntegers, -100, 100, 0, 4},
    {"equal", equal, kAllDTypes, -1, 1, -1, 1},
    {"not_equal", not_equal, kAllDTypes, -1, 1, -1, 1},
    {"less", less, kAllDTypes, -1, 1, -1, 1},
    {"less_equal", less_equal, kAllDTypes, -1, 1, -1, 1},
    {"greater", greater, kAllDTypes, -1, 1, -1, 1},
    {"greater_equal", greater_equal, kAllDTypes, -1, 1, -1, 1},
};

bool is_extremum(const BinaryRow& row) { return row.build == maximum || row.build == minimum; }
bool has_scalar_form(const BinaryRow& row) { return is_float(row.dtypes[0]) && row.build != power; }

void add_binary(OpCases& table) {
  for (const BinaryRow& row : kBinaryRows) {
    table.push_back({row.op, "odd", row.dtypes, [row](CaseBuilder& b) {
                       Tensor x = b.operand({3, 5, 7}, row.low, row.high);
                       b.result(row.build(x, b.operand({3, 5, 7}, row.low_b, row.high_b)));
                     }});
    if (!has_scalar_form(row)) continue;
    table.push_back({row.op, "broadcast", kFloats, [row](CaseBuilder& b) {
                       Tensor x = b.operand({3, 1, 7}, row.low, row.high);
                       b.result(row.build(x, b.operand({5, 1}, row.low_b, row.high_b)));
                     }});
    table.push_back({row.op, "scalar", kWideFloats, [row](CaseBuilder& b) {
                       b.result(row.build(b.operand({11}, row.low, row.high), 1.5));
                     }});
    if (!is_extremum(row)) continue;
    table.push_back({row.op, "ties", kWideFloats,
                     [row](CaseBuilder& b) {
                       Tensor x = b.values({3}, {1, 2, 3});
                       b.result(row.build(x, b.values({3}, {1, 3, 2})));
                     },
                     false});
  }
  table.push_back({"divide", "negative_integers", {DType::i32, DType::i64}, [](CaseBuilder& b) {
                     Tensor x = b.values({4}, {-7, 7, -7, 7});
                     b.result(divide(x, b.values({4}, {2, -2, -2, 2})));
                   }});
  table.push_back({"add", "empty", kNumbers, [](CaseBuilder& b) {
                     Tensor x = b.operand({0, 3});
                     b.result(x + b.operand({3}));
                   }});
  table.push_back({"add", "ranks", kWideFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({2, 1, 3, 1});
                     b.result(x + b.operand({}) + b.operand({5, 1, 7}));
                   }});
  table.push_back({"multiply", "square", kFloats, [](CaseBuilder& b) {
                     Tensor x = b.operand({3, 5});
                     b.result(x * x * x);
                   }});
}

void add_cast(OpCases& table) {
  auto cast_row = [&](const char* label, std::vector<DType> from, DType to, double low, double high,
                      bool differences) {
    table.push_back({"cast", label, std::move(from),
                     [=](CaseBuilder& b) {
                       b.result(cast(b.operand({3, 7}, low, high), to));
                     },
                     differences});
  };
  cast_row("to_i32", kFloats, DType::i32, -9, 9, false);
  cast_row("halves_to_f32", {DType::f16, DType::bf16}, DType::f32, -9, 9, false);
  cast_row("to_f32", {DType::f64}, DType::f32, -9, 9, false);
  table.push_back({"cast", "to_all", kAllDTypes,
                   [](CaseBuilder& b) {
                     Tensor x = b.operand({3, 7}, 0, 100);
                     for (DType to : kAllDTypes)
                       b.result(apply(ops::cast, {x}, {{"type", x.type().with_dtype(to)}}, {}));
                   },
                   false});
  cast_row("to_bf16", {DType::f32, DType::f64, DType::f16}, DType::bf16, -9, 9, false);
  cast_row("to_f16", {DType::f32, DType::f64, DType::bf16}, DType::f16, -9, 9, false);
  cast_row("integers_to_f32", {DType::i32, DType::u8, DType::i64, DType::boolean}, DType::f32, -9,
           9, true);
  cast_row("integers_to_bool", {DType::i32, DType::u8}, DType::boolean, -1, 1, true);
  cast_row("i32_to_u8", {DType::i32}, DType::u8, -300, 300, true);
}

void add_select(OpCases& table) {
  table.push_back({"select", "odd", kAllDTypes, [](CaseBuilder& b) {
                     Tensor mask = b.mask({3, 7}), x = b.operand({3, 7});
                     b.result(select(mask, x, b.operand({3, 7})));
                   }});
  table.push_back({"select", "broadcast_all", kNumbers, [](CaseBuilder& b) {
                     Tensor mask = b.mask({5, 1, 1}), x = b.operand({3, 1});
                     b.result(select(mask, x, b.operand({7})));
                   }});
  table.push_back({"select", "empty", kFloats, [](CaseBuilder& b) {
                     Tensor mask = b.mask({0, 3}), x = b.operand({0, 3});
                     b.result(select(mask, x, b.operand({0, 3})));
                   }});
  table.push_back({"select", "broadcast", kFloats, [](CaseBuilder& b) {
                     Tensor mask = b.mask({3, 1}), x = b.operand({3, 7});
                     b.result(select(mask, x, 0.5));
                   }});
}

}  // namespace

void add_pointwise_cases(OpCases& table) {
  add_unary(table);
  add_binary(table);
  add_cast(table);
  add_select(table);
}

}  // namespace ag
