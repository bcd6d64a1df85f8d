// Every family of instructions, one row each: a line of PTX, its operands, its result.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>

#include "ir/dtype.h"
#include "tests/ptx/ptx_machine.h"

using namespace ag::ptx;

namespace {

Bits f(float value) { return std::bit_cast<uint32_t>(value); }
Bits d(double value) { return std::bit_cast<uint64_t>(value); }
Bits h(float value) { return ag::f16_bits(value); }
Bits bf(float value) { return ag::bf16_bits(value); }
Bits i32(int32_t value) { return static_cast<uint32_t>(value); }
Bits i64(int64_t value) { return static_cast<uint64_t>(value); }
const Bits kNaN = f(std::numeric_limits<float>::quiet_NaN());
const Bits kInfinity = f(std::numeric_limits<float>::infinity());

struct Row {
  const char* body;    // of operands %a … %d and scratch %p<4>, %t<4>, %u<4>; sets %o
  const char* inputs;  // type of the operands
  const char* output;
  std::vector<Bits> values;
  Bits expected;
};

// One thread: reads the operands, does the body, stores %o.
std::string kernel_of(const Row& row) {
  std::string loads;
  for (size_t i = 0; i < row.values.size(); ++i) {
    loads += fmt::format("  ld.global.{} %{}, [%address+{}];\n", row.inputs,
                         static_cast<char>('a' + i), 8 * i);
  }
  return fmt::format(R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry row(.param .u64 row_0) {{
  .reg .pred %p<4>;
  .reg .b16 %h<4>;
  .reg .b32 %t<4>;
  .reg .b64 %u<4>;
  .reg .b64 %address;
  .reg .{0} %a, %b, %c, %d;
  .reg .{1} %o;
  ld.param.u64 %address, [row_0];
  cvta.to.global.u64 %address, %address;
{2}  {3}
  st.global.{1} [%address+64], %o;
  ret;
}}
)",
                     row.inputs, row.output, loads, row.body);
}

Bits run(const Row& row) {
  Machine machine;
  const Module& module = machine.load(kernel_of(row));
  const Address memory = machine.allocate(72);
  if (!row.values.empty()) machine.write(memory, row.values.data(), 8 * row.values.size());
  const Outcome outcome = machine.launch(module, "row", {}, {}, 0, Arguments(memory));
  CHECK(outcome.text() == "");
  const std::string_view type = row.output;
  Bits value = 0;
  machine.read(memory + 64, &value, type == "b16" ? 2 : type == "b64" ? 8 : 4);
  return value;
}

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.body);
    CHECK(fmt::format("{:x}", run(row)) == fmt::format("{:x}", row.expected));
  }
}

}  // namespace

TEST_CASE("integer arithmetic") {
  check({
      {"add.s32 %o, %a, %b;", "b32", "b32", {i32(7), i32(-9)}, i32(-2)},
      {"add.s64 %o, %a, %b;", "b64", "b64", {i64(1) << 40, 5}, (i64(1) << 40) + 5},
      {"add.s16 %o, %a, 1;", "b16", "b16", {0xFFFF}, 0},
      {"sub.s32 %o, %a, -128;", "b32", "b32", {1}, 129},
      {"mul.lo.s32 %o, %a, %b;", "b32", "b32", {i32(-3), 5}, i32(-15)},
      {"mul.hi.u32 %o, %a, %b;", "b32", "b32", {0xFFFFFFFF, 0xFFFFFFFF}, 0xFFFFFFFE},
      {"mul.hi.s32 %o, %a, %b;", "b32", "b32", {i32(-2), 3}, 0xFFFFFFFF},
      {"mul.wide.s32 %o, %a, 4;", "b32", "b64", {i32(-3)}, i64(-12)},
      {"mul.wide.u32 %o, %a, 4;", "b32", "b64", {0xFFFFFFFD}, 0x3FFFFFFF4},
      {"mul.wide.u16 %o, %a, %b;", "b16", "b32", {0xFFFF, 0xFFFF}, 0xFFFE0001},
      {"mad.lo.s32 %o, %a, %b, %c;", "b32", "b32", {i32(-3), 5, 100}, 85},
      {"mad.wide.u32 %o, %a, %b, 7;", "b32", "b64", {0xFFFFFFFF, 2}, 0x200000005},
      {"add.cc.u32 %t0, %a, %b; addc.u32 %o, 0, 0;", "b32", "b32", {0xFFFFFFFF, 2}, 1},
      {"sub.cc.u32 %t0, %a, %b; subc.u32 %o, 5, 0;", "b32", "b32", {1, 2}, 4},
      {"mad.lo.cc.u32 %t0, %a, %b, %c; madc.hi.u32 %o, %a, %b, 0;",
       "b32",
       "b32",
       {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF},
       0xFFFFFFFF},
      {"div.s32 %o, %a, %b;", "b32", "b32", {i32(-7), 2}, i32(-3)},
      {"div.u32 %o, %a, %b;", "b32", "b32", {0xFFFFFFF9, 2}, 0x7FFFFFFC},
      {"rem.s32 %o, %a, %b;", "b32", "b32", {i32(-7), 3}, i32(-1)},
      {"neg.s32 %o, %a;", "b32", "b32", {5}, i32(-5)},
      {"abs.s32 %o, %a;", "b32", "b32", {i32(-5)}, 5},
      {"min.s32 %o, %a, %b;", "b32", "b32", {i32(-5), 3}, i32(-5)},
      {"min.u32 %o, %a, %b;", "b32", "b32", {i32(-5), 3}, 3},
      {"max.s64 %o, %a, %b;", "b64", "b64", {i64(-5), 3}, 3},
      {"sad.u32 %o, %a, %b, %c;", "b32", "b32", {3, 10, 1}, 8},
  });
}

TEST_CASE("patterns of bits") {
  check({
      {"and.b32 %o, %a, %b;", "b32", "b32", {0xF0F0, 0xFF00}, 0xF000},
      {"or.b64 %o, %a, %b;", "b64", "b64", {0xF0F0, 0x0F00}, 0xFFF0},
      {"xor.b32 %o, %a, %b;", "b32", "b32", {0xF0F0, 0xFF00}, 0x0FF0},
      {"not.b32 %o, %a;", "b32", "b32", {0xF0F0}, 0xFFFF0F0F},
      {"shl.b32 %o, %a, 31;", "b32", "b32", {3}, 0x80000000},
      {"shl.b32 %o, %a, %b;", "b32", "b32", {3, 32}, 0},
      {"shr.u32 %o, %a, 4;", "b32", "b32", {0x80000000}, 0x08000000},
      {"shr.s32 %o, %a, 4;", "b32", "b32", {0x80000000}, 0xF8000000},
      {"shr.s32 %o, %a, 99;", "b32", "b32", {0x80000000}, 0xFFFFFFFF},
      {"shr.u64 %o, %a, 34;", "b64", "b64", {i64(-1)}, 0x3FFFFFFF},
      {"shf.l.wrap.b32 %o, %a, %b, 36;", "b32", "b32", {0xABCDEF01, 0x12345678}, 0x2345678A},
      {"shf.r.clamp.b32 %o, %a, %b, 40;", "b32", "b32", {0xABCDEF01, 0x12345678}, 0x12345678},
      {"popc.b32 %o, %a;", "b32", "b32", {0xF0F1}, 9},
      {"clz.b32 %o, %a;", "b32", "b32", {0x00010000}, 15},
      {"brev.b32 %o, %a;", "b32", "b32", {0x00000013}, 0xC8000000},
      {"bfind.u32 %o, %a;", "b32", "b32", {0x00010000}, 16},
      {"bfind.s32 %o, %a;", "b32", "b32", {i32(-1)}, 0xFFFFFFFF},
      {"bfind.shiftamt.u32 %o, %a;", "b32", "b32", {0x00010000}, 15},
      {"bfe.u32 %o, %a, 4, 8;", "b32", "b32", {0x12345678}, 0x67},
      {"bfe.s32 %o, %a, 8, 8;", "b32", "b32", {0x0000F100}, i32(-15)},
      {"bfe.s32 %o, %a, 28, 8;", "b32", "b32", {0x90000000}, 0xFFFFFFF9},
      {"bfi.b32 %o, %a, %b, 8, 4;", "b32", "b32", {0xF5, 0x12345678}, 0x12345578},
      {"prmt.b32 %o, %a, %b, 0x7410;", "b32", "b32", {0x33221100, 0x77665544}, 0x77441100},
      {"prmt.b32 %o, %a, %b, 0x8888;", "b32", "b32", {0x33221180, 0}, 0xFFFFFFFF},
      {"lop3.b32 %o, %a, %b, %c, 0x96;", "b32", "b32", {0xF0, 0xCC, 0xAA}, 0x96},
      {"mov.b64 %o, {%a, %b};", "b32", "b64", {0x11111111, 0x22222222}, 0x2222222211111111},
      {"mov.b64 {%t0, %o}, %a;", "b64", "b32", {0x2222222211111111}, 0x22222222},
      {"mov.b32 {%o, %h0}, %a;", "b32", "b16", {0x22221111}, 0x1111},
      {"mov.b32 %o, 0f3F800000;", "b32", "b32", {}, f(1)},
  });
}

TEST_CASE("floats") {
  const Bits subnormal = 1;  // 2^-149
  check({
      {"add.f32 %o, %a, %b;", "b32", "b32", {f(0.1f), f(0.2f)}, f(0.1f + 0.2f)},
      {"add.rz.f32 %o, %a, %b;", "b32", "b32", {f(1), f(0x1.8p-24f)}, f(1)},
      {"add.rp.f32 %o, %a, %b;", "b32", "b32", {f(1), f(0x1p-40f)}, f(1 + 0x1p-23f)},
      {"sub.f64 %o, %a, %b;", "b64", "b64", {d(0.1), d(0.2)}, d(0.1 - 0.2)},
      {"mul.f32 %o, %a, %b;", "b32", "b32", {f(3), f(-0.5f)}, f(-1.5f)},
      {"mul.sat.f32 %o, %a, %b;", "b32", "b32", {f(3), f(5)}, f(1)},
      {"fma.rn.f32 %o, %a, %b, %c;",
       "b32",
       "b32",
       {f(1 + 0x1p-12f), f(1 - 0x1p-12f), f(-1)},
       f(-0x1p-24f)},
      {"fma.rn.f64 %o, %a, %b, %c;", "b64", "b64", {d(2), d(3), d(4)}, d(10)},
      {"mul.ftz.f32 %o, %a, %b;", "b32", "b32", {subnormal, f(0x1p30f)}, 0},
      {"add.ftz.f32 %o, %a, 0f00000000;", "b32", "b32", {0x80000001}, 0},
      {"add.f32 %o, %a, 0f00000000;", "b32", "b32", {subnormal}, subnormal},
      {"div.rn.f32 %o, %a, %b;", "b32", "b32", {f(1), f(3)}, f(1.0f / 3.0f)},
      {"div.full.f32 %o, %a, %b;", "b32", "b32", {f(1), f(4)}, f(0.25f)},
      {"sqrt.rn.f32 %o, %a;", "b32", "b32", {f(2)}, f(std::sqrt(2.0f))},
      {"rcp.rn.f64 %o, %a;", "b64", "b64", {d(3)}, d(1.0 / 3.0)},
      {"rcp.approx.ftz.f32 %o, %a;", "b32", "b32", {f(4)}, f(0.25f)},
      {"rsqrt.approx.f32 %o, %a;", "b32", "b32", {f(4)}, f(0.5f)},
      {"ex2.approx.ftz.f32 %o, %a;", "b32", "b32", {f(-3)}, f(0.125f)},
      {"lg2.approx.f32 %o, %a;", "b32", "b32", {f(8)}, f(3)},
      {"sin.approx.f32 %o, %a;", "b32", "b32", {f(1)}, f(static_cast<float>(std::sin(1.0)))},
      {"cos.approx.f32 %o, %a;", "b32", "b32", {f(0)}, f(1)},
      {"tanh.approx.f32 %o, %a;", "b32", "b32", {f(0)}, f(0)},
      {"neg.f32 %o, %a;", "b32", "b32", {f(0)}, 0x80000000},
      {"abs.f32 %o, %a;", "b32", "b32", {f(-2)}, f(2)},
      {"min.f32 %o, %a, %b;", "b32", "b32", {kNaN, f(2)}, f(2)},
      {"max.f32 %o, %a, %b;", "b32", "b32", {f(-0.0f), f(0)}, f(0)},
      {"min.f32 %o, %a, %b;", "b32", "b32", {f(0), f(-0.0f)}, f(-0.0f)},
      {"max.NaN.f32 %o, %a, %b;", "b32", "b32", {kNaN, f(2)}, kNaN},
      {"add.f16 %o, %a, %b;", "b16", "b16", {h(1), h(0.5f)}, h(1.5f)},
      {"mul.f16 %o, %a, %b;", "b16", "b16", {h(1.0009765625f), h(3)}, h(3.0029296875f)},
      {"fma.rn.f16 %o, %a, %b, %c;", "b16", "b16", {h(2), h(3), h(4)}, h(10)},
      {"fma.rn.bf16 %o, %a, %b, %c;", "b16", "b16", {bf(2), bf(3), bf(4)}, bf(10)},
      {"add.f16x2 %o, %a, %b;",
       "b32",
       "b32",
       {h(1) | h(2) << 16, h(10) | h(20) << 16},
       h(11) | h(22) << 16},
  });
}

TEST_CASE("comparisons and selections") {
  const std::string_view endings[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  const auto holds = [](std::string_view name, double a, double b) {
    return name == "eq"   ? a == b
           : name == "ne" ? a != b
           : name == "lt" ? a < b
           : name == "le" ? a <= b
           : name == "gt" ? a > b
                          : a >= b;
  };
  for (const auto name : endings) {
    for (const float b : {1.0f, 2.0f, 3.0f}) {
      const std::string plain =
          fmt::format("setp.{}.f32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", name);
      const std::string unordered =
          fmt::format("setp.{}u.f32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", name);
      const std::string integers =
          fmt::format("setp.{}.s32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", name);
      const Bits yes = holds(name, 2, static_cast<double>(b));
      check({{plain.c_str(), "b32", "b32", {f(2), f(b)}, yes},
             {unordered.c_str(), "b32", "b32", {f(2), f(b)}, yes},
             {unordered.c_str(), "b32", "b32", {f(2), kNaN}, 1},
             {integers.c_str(),
              "b32",
              "b32",
              {i32(-2), i32(static_cast<int>(b) - 4)},
              holds(name, -2, static_cast<double>(b) - 4)}});
    }
  }
  check({
      {"setp.lt.f32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", "b32", "b32", {f(2), kNaN}, 0},
      {"setp.ne.f32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", "b32", "b32", {f(2), kNaN}, 0},
      {"setp.nan.f32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", "b32", "b32", {f(2), kNaN}, 1},
      {"setp.num.f32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", "b32", "b32", {f(2), kNaN}, 0},
      {"setp.lo.u32 %p0, %a, %b; selp.b32 %o, 1, 0, %p0;", "b32", "b32", {2, i32(-1)}, 1},
      {"setp.lt.s32 %p0|%p1, %a, %b; selp.b32 %o, 1, 0, %p1;", "b32", "b32", {2, 3}, 0},
      {"setp.eq.s32 %p0, 1, 1; setp.lt.and.s32 %p1, %a, %b, !%p0; selp.b32 %o, 1, 0, %p1;",
       "b32",
       "b32",
       {2, 3},
       0},
      {"setp.eq.s32 %p0, 1, 1; setp.gt.or.s32 %p1, %a, %b, %p0; selp.b32 %o, 1, 0, %p1;",
       "b32",
       "b32",
       {2, 3},
       1},
      {"set.lt.u32.f32 %o, %a, %b;", "b32", "b32", {f(1), f(2)}, 0xFFFFFFFF},
      {"setp.eq.s32 %p0, %a, %b; not.pred %p1, %p0; and.pred %p2, %p1, %p1; xor.pred %p3, %p2, "
       "%p0; selp.f32 %o, 0f3F800000, 0f00000000, %p3;",
       "b32",
       "b32",
       {2, 3},
       f(1)},
      {"mov.pred %p0, -1; @%p0 mov.b32 %o, %a; @!%p0 mov.b32 %o, %b;", "b32", "b32", {4, 5}, 4},
  });
}

TEST_CASE("conversions") {
  check({
      {"cvt.rn.f32.s32 %o, %a;", "b32", "b32", {i32(-16777217)}, f(-16777216)},
      {"cvt.rz.f32.u32 %o, %a;", "b32", "b32", {0xFFFFFFFF}, f(0x1.fffffep31f)},
      {"cvt.rzi.s32.f32 %o, %a;", "b32", "b32", {f(-2.7f)}, i32(-2)},
      {"cvt.rni.s32.f32 %o, %a;", "b32", "b32", {f(2.5f)}, 2},
      {"cvt.rmi.s32.f32 %o, %a;", "b32", "b32", {f(-2.1f)}, i32(-3)},
      {"cvt.rpi.s32.f32 %o, %a;", "b32", "b32", {f(2.1f)}, 3},
      {"cvt.rzi.s32.f32 %o, %a;", "b32", "b32", {f(1e20f)}, 0x7FFFFFFF},
      {"cvt.rzi.u32.f32 %o, %a;", "b32", "b32", {f(-1)}, 0},
      {"cvt.rzi.s32.f32 %o, %a;", "b32", "b32", {kNaN}, 0},
      {"cvt.rmi.f32.f32 %o, %a;", "b32", "b32", {f(-2.1f)}, f(-3)},
      {"cvt.rni.f32.f32 %o, %a;", "b32", "b32", {f(3.5f)}, f(4)},
      {"cvt.rzi.f32.f32 %o, %a;", "b32", "b32", {kInfinity}, kInfinity},
      {"cvt.rzi.f32.f32 %o, %a;", "b32", "b32", {f(-0.5f)}, f(-0.0f)},
      {"cvt.rn.f32.f64 %o, %a;", "b64", "b32", {d(0.1)}, f(0.1f)},
      {"cvt.rm.f32.f64 %o, %a;", "b64", "b32", {d(0.1)}, f(std::nextafter(0.1f, 0.0f))},
      {"cvt.f64.f32 %o, %a;", "b32", "b64", {f(0.1f)}, d(static_cast<double>(0.1f))},
      {"cvt.rn.f16.f32 %o, %a;", "b32", "b16", {f(0.1f)}, h(0.1f)},
      {"cvt.f32.f16 %o, %a;", "b16", "b32", {h(0.1f)}, f(ag::f16_value(ag::f16_bits(0.1f)))},
      {"cvt.rn.bf16.f32 %o, %a;", "b32", "b16", {f(0.1f)}, bf(0.1f)},
      {"cvt.rn.f16x2.f32 %o, %a, %b;", "b32", "b32", {f(2), f(1)}, h(2) << 16 | h(1)},
      {"cvt.u32.u64 %o, %a;", "b64", "b32", {0x1234567890}, 0x34567890},
      {"cvt.s64.s32 %o, %a;", "b32", "b64", {i32(-2)}, i64(-2)},
      {"cvt.u64.u32 %o, %a;", "b32", "b64", {i32(-2)}, 0xFFFFFFFE},
      {"cvt.s32.s8 %o, %a;", "b32", "b32", {0x80}, i32(-128)},
      {"cvt.sat.u8.s32 %o, %a;", "b32", "b32", {300}, 255},
      {"cvt.sat.f32.f32 %o, %a;", "b32", "b32", {f(7)}, f(1)},
  });
}

TEST_CASE("what is not known is refused") {
  const auto refusal = [](const char* body) {
    try {
      Machine().load(kernel_of({body, "b32", "b32", {}, 0}));
    } catch (const PtxError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(refusal("frobnicate.b32 %o, %a;") == "PTX line 14: unknown instruction frobnicate.b32");
  CHECK(refusal("add.frob.s32 %o, %a, %b;") ==
        "PTX line 14: unknown instruction add.frob.s32: .frob");
  CHECK(refusal("add.s32 %o, %a;") ==
        "PTX line 14: unknown instruction: 1 operands where 2 are due in 'add.s32 %o, %a'");
  CHECK(refusal("rcp.rn.s32 %o, %a;") ==
        "PTX line 14: unknown instruction: not for this type in 'rcp.rn.s32 %o, %a'");
  CHECK(refusal("add.sat.s32 %o, %a, %b;") ==
        "PTX line 14: unknown instruction: not for this type in 'add.sat.s32 %o, %a, %b'");
  CHECK(refusal("mov.b32 %o, %nobody;") == "PTX line 14: '%nobody' is no integer");
  CHECK(refusal("bra away;").find("no label away") != std::string::npos);
}
