// Lanes, warps and blocks: divergence, exchange between lanes, barriers, memories, atomics.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <numeric>

#include "tests/ptx/ptx_machine.h"

using namespace ag::ptx;

namespace {

// A kernel of one pointer; each thread t of the block computes %o and stores it at 4 * t.
std::string kernel_of(std::string_view body, std::string_view declarations = "") {
  return fmt::format(R"(.version 7.0
.target sm_80
.address_size 64
{}
.visible .entry k(.param .u64 .ptr .align 1 k_0) {{
  .reg .pred %p<4>;
  .reg .b32 %r<9>, %t, %o;
  .reg .b64 %out, %d<9>;
  ld.param.b64 %out, [k_0];
  cvta.to.global.u64 %out, %out;
  mov.u32 %t, %tid.x;
{}
  mul.wide.u32 %d8, %t, 4;
  add.s64 %d8, %out, %d8;
  st.global.b32 [%d8], %o;
  ret;
}}
)",
                     declarations, body);
}

std::vector<uint32_t> run(std::string_view ptx, uint32_t threads, uint32_t dynamic_shared = 0) {
  std::vector<std::vector<uint32_t>> results;
  for (const Order order : {Order::forward, Order::backward, Order::shuffled}) {
    Machine machine;
    machine.order = order;
    machine.seed = 7;
    const Module& module = machine.load(ptx);
    std::vector<uint32_t> values(threads);
    const Address out = machine.allocate(4 * threads);
    machine.write(out, values.data(), 4 * threads);
    const Outcome outcome =
        machine.launch(module, "k", {}, {threads}, dynamic_shared, Arguments(out));
    CHECK(outcome.text() == "");
    machine.read(out, values.data(), 4 * threads);
    results.push_back(values);
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
  return results[0];
}

template <class F>
void check_lanes(std::string_view ptx, uint32_t threads, F expected, uint32_t dynamic_shared = 0) {
  const std::vector<uint32_t> values = run(ptx, threads, dynamic_shared);
  for (uint32_t t = 0; t < threads; ++t) {
    CAPTURE(t);
    CHECK(values[t] == static_cast<uint32_t>(expected(t)));
  }
}

}  // namespace

TEST_CASE("lanes part at a branch and meet behind it") {
  // Nested: odd lanes go left, and of those every fourth further left. The vote at the end sees the
  // whole warp again.
  check_lanes(kernel_of(R"(
  and.b32 %r0, %t, 1;
  setp.eq.s32 %p0, %r0, 1;
  mov.b32 %r1, 10;
  @%p0 bra odd;
  add.s32 %r1, %r1, 5;
  bra.uni join;
odd:
  and.b32 %r0, %t, 2;
  setp.eq.s32 %p1, %r0, 0;
  @%p1 bra deep;
  add.s32 %r1, %r1, 1;
  bra inner;
deep:
  add.s32 %r1, %r1, 2;
inner:
  activemask.b32 %r2;
  add.s32 %r1, %r1, 100;
join:
  activemask.b32 %r3;
  setp.eq.s32 %p2, %r3, -1;
  selp.b32 %o, %r1, 0, %p2;)"),
              64, [](uint32_t t) { return t % 2 == 0   ? 15
                                          : t % 4 == 1 ? 112
                                                       : 111; });
}

TEST_CASE("lanes leave a loop at different times") {
  check_lanes(kernel_of(R"(
  mov.b32 %o, 0;
  mov.b32 %r0, 0;
loop:
  setp.gt.u32 %p0, %r0, %t;
  @%p0 bra done;
  add.s32 %o, %o, %r0;
  add.s32 %r0, %r0, 1;
  bra loop;
done:)"),
              40, [](uint32_t t) { return t * (t + 1) / 2; });
}

TEST_CASE("braces have registers of their own") {
  check_lanes(
      kernel_of("  mov.b32 %r0, 5; { .reg .b32 %r0, tmp; mov.b32 %r0, 7; mov.b32 tmp, %r0;\n"
                "  mov.b32 %r1, tmp; } add.s32 %o, %r0, %r1;"),
      32, [](uint32_t) { return 12; });
}

TEST_CASE("functions are called, each call with registers and labels of its own") {
  constexpr std::string_view kTriangle = R"(
.func (.param .b32 result) triangle(.param .b32 triangle_0, .param .b32 triangle_1) {
  .reg .pred %p0;
  .reg .b32 %r<4>;
  ld.param.b32 %r0, [triangle_0];
  ld.param.b32 %r3, [triangle_1];
  mov.b32 %r1, 0;
loop:
  setp.eq.u32 %p0, %r0, 0;
  @%p0 bra done;
  add.s32 %r1, %r1, %r0;
  add.s32 %r0, %r0, -1;
  bra loop;
done:
  mul.lo.s32 %r1, %r1, %r3;
  st.param.b32 [result], %r1;
  ret;
})";
  const std::string call = R"(
  { .param .b32 param0; st.param.b32 [param0], %r0;
    .param .b32 param1; st.param.b32 [param1], %r1;
    .param .b32 retval0; call.uni (retval0), triangle, (param0, param1);
    ld.param.b32 %o, [retval0]; })";
  check_lanes(kernel_of("  mov.b32 %r0, %t; mov.b32 %r1, 2;" + call +
                            "  mov.b32 %r2, %o; mov.b32 %r0, 3; mov.b32 %r1, 10;" + call +
                            "  add.s32 %o, %o, %r2;",
                        kTriangle),
              40, [](uint32_t t) { return t * (t + 1) + 60; });
  Machine machine;
  CHECK_THROWS_WITH_AS(machine.load(kernel_of("  call.uni missing;")),
                       doctest::Contains("no function missing"), PtxError);
  CHECK_THROWS_WITH_AS(machine.load(kernel_of("", ".func f() {\n  call.uni f;\n  ret;\n}\n") +
                                    ".visible .entry other() {\n  call.uni f;\n  ret;\n}\n"),
                       doctest::Contains("calls itself"), PtxError);
}

TEST_CASE("lanes that return are gone from what follows") {
  check_lanes(kernel_of(R"(
  setp.gt.u32 %p0, %t, 9;
  @%p0 ret;
  activemask.b32 %o;)"),
              32, [](uint32_t t) { return t > 9 ? 0 : 0x3FF; });
}

TEST_CASE("shuffles") {
  const auto shuffle = [](std::string_view how) {
    return kernel_of(
        fmt::format("  mul.lo.s32 %r0, %t, 10;\n  {};\n"
                    "  selp.b32 %r1, 1000, 0, %p0;\n  add.s32 %o, %o, %r1;",
                    how));
  };
  const auto value = [](uint32_t lane, bool inside) { return lane * 10 + (inside ? 1000 : 0); };
  check_lanes(shuffle("shfl.sync.idx.b32 %o|%p0, %r0, 5, 31, -1"), 32,
              [&](uint32_t) { return value(5, true); });
  check_lanes(shuffle("shfl.sync.down.b32 %o|%p0, %r0, 3, 31, -1"), 32,
              [&](uint32_t t) { return t + 3 < 32 ? value(t + 3, true) : value(t, false); });
  check_lanes(shuffle("shfl.sync.up.b32 %o|%p0, %r0, 3, 0, -1"), 32,
              [&](uint32_t t) { return t >= 3 ? value(t - 3, true) : value(t, false); });
  check_lanes(shuffle("shfl.sync.bfly.b32 %o|%p0, %r0, 6, 31, -1"), 32,
              [&](uint32_t t) { return value(t ^ 6, true); });
  // Segments of eight lanes: the mask 24 in bits 8 to 12 of c.
  check_lanes(shuffle("shfl.sync.down.b32 %o|%p0, %r0, 3, 6175, -1"), 32,
              [&](uint32_t t) { return t % 8 < 5 ? value(t + 3, true) : value(t, false); });
  check_lanes(shuffle("shfl.sync.idx.b32 %o|%p0, %r0, 2, 6175, -1"), 32,
              [&](uint32_t t) { return value(t / 8 * 8 + 2, true); });
}

TEST_CASE("votes and reductions across a warp") {
  const auto vote = [](std::string_view how) {
    return kernel_of(fmt::format("  setp.lt.u32 %p0, %t, 5;\n  {};", how));
  };
  check_lanes(vote("vote.sync.ballot.b32 %o, %p0, -1"), 32, [](uint32_t) { return 0x1F; });
  check_lanes(vote("vote.sync.any.pred %p1, %p0, -1; selp.b32 %o, 1, 0, %p1"), 32,
              [](uint32_t) { return 1; });
  check_lanes(vote("vote.sync.all.pred %p1, %p0, -1; selp.b32 %o, 1, 0, %p1"), 64,
              [](uint32_t) { return 0; });
  check_lanes(kernel_of("  redux.sync.add.u32 %o, %t, -1;"), 64,
              [](uint32_t t) { return t < 32 ? 31 * 32 / 2 : 31 * 32 / 2 + 32 * 32; });
}

TEST_CASE("threads hand values through shared memory") {
  // Each thread reads what the thread on the other side of the block wrote: needs the barrier.
  const char* body = R"(
  mul.lo.s32 %r0, %t, 4;
  cvt.u64.u32 %d0, %r0;
  mul.lo.s32 %r1, %t, %t;
  st.shared.b32 [%d0], %r1;
  bar.sync 0;
  mov.u32 %r2, %ntid.x;
  sub.s32 %r2, %r2, %t;
  sub.s32 %r2, %r2, 1;
  mul.wide.u32 %d1, %r2, 4;
  ld.shared.b32 %o, [%d1];)";
  check_lanes(
      kernel_of(body), 96, [](uint32_t t) { return (95 - t) * (95 - t); }, 4 * 96);

  const char* named = R"(
  mov.u64 %d0, tile;
  mul.wide.u32 %d1, %t, 8;
  add.s64 %d0, %d0, %d1;
  st.shared.v2.b32 [%d0], {%t, 7};
  cvta.shared.u64 %d2, %d0;
  ld.v2.b32 {%r0, %r1}, [%d2];
  add.s32 %o, %r0, %r1;)";
  check_lanes(kernel_of(named, ".shared .align 8 .b8 tile[512];"), 64,
              [](uint32_t t) { return t + 7; });
}

TEST_CASE("each thread has local memory of its own, all share constants") {
  check_lanes(kernel_of(R"(
  .local .align 4 .b8 depot[16];
  mov.u64 %d0, depot;
  cvta.local.u64 %d1, %d0;
  st.local.b32 [%d0+8], %t;
  ld.b32 %r0, [%d1+8];
  mov.u64 %d2, table;
  ld.const.b32 %r1, [%d2+4];
  ld.const.b32 %r2, [table+8];
  add.s32 %o, %r0, %r1;
  add.s32 %o, %o, %r2;)",
                        ".const .align 4 .b32 table[3] = {1000, 2000, 30000};"),
              40, [](uint32_t t) { return t + 32000; });
}

TEST_CASE("atomics add up, whatever the order") {
  const std::string ptx = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 k_0, .param .u64 k_1) {
  .reg .b32 %r<4>;
  .reg .b64 %d<4>;
  ld.param.u64 %d0, [k_0];
  ld.param.u64 %d1, [k_1];
  mov.u32 %r0, %ctaid.x;
  mov.u32 %r1, %tid.x;
  add.s32 %r2, %r0, %r1;
  atom.global.add.u32 %r3, [%d0], %r2;
  red.global.max.s32 [%d0+4], %r1;
  atom.global.cas.b32 %r3, [%d0+8], 5, %r2;
  mov.b32 %r2, 0f3F000000;
  atom.global.add.f32 %r3, [%d0+12], %r2;
  red.global.add.f32 [%d1], %r2;
  ret;
}
)";
  Machine machine;
  machine.order = Order::shuffled;
  const Module& module = machine.load(ptx);
  const uint32_t start[] = {0, 0, 4, 0};
  const Address counters = machine.allocate(sizeof start), sum = machine.allocate(4);
  machine.write(counters, start, sizeof start);
  machine.write(sum, start, 4);
  const Outcome outcome = machine.launch(module, "k", {4, 3}, {48, 2}, 0, Arguments(counters, sum));
  CHECK(outcome.text() == "");
  uint32_t result[4];
  machine.read(counters, result, sizeof result);
  CHECK(result[0] == 12 * (2 * 48 * 47 / 2) + (0 + 1 + 2 + 3) * 3 * 96);
  CHECK(result[1] == 47);
  CHECK(result[2] == 4);
  float halves = 0, total = 0;
  std::memcpy(&halves, result + 3, 4);
  machine.read(sum, &total, 4);
  CHECK(halves == 12 * 96 * 0.5f);
  CHECK(total == 12 * 96 * 0.5f);
}

TEST_CASE("every thread knows its place") {
  const std::string ptx = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 k_0) {
  .reg .b32 %r<16>;
  .reg .b64 %d<4>;
  ld.param.u64 %d0, [k_0];
  mov.u32 %r0, %ctaid.z;
  mov.u32 %r1, %nctaid.y;
  mov.u32 %r2, %ctaid.y;
  mad.lo.s32 %r3, %r0, %r1, %r2;
  mov.u32 %r1, %nctaid.x;
  mov.u32 %r2, %ctaid.x;
  mad.lo.s32 %r3, %r3, %r1, %r2;
  mov.u32 %r1, %ntid.z;
  mov.u32 %r2, %tid.z;
  mad.lo.s32 %r3, %r3, %r1, %r2;
  mov.u32 %r1, %ntid.y;
  mov.u32 %r2, %tid.y;
  mad.lo.s32 %r3, %r3, %r1, %r2;
  mov.u32 %r1, %ntid.x;
  mov.u32 %r2, %tid.x;
  mad.lo.s32 %r3, %r3, %r1, %r2;
  mul.wide.u32 %d1, %r3, 4;
  add.s64 %d1, %d0, %d1;
  mov.u32 %r4, %laneid;
  mov.u32 %r5, %warpid;
  mad.lo.s32 %r4, %r5, 32, %r4;
  st.global.b32 [%d1], %r4;
  ret;
}
)";
  Machine machine;
  const Module& module = machine.load(ptx);
  constexpr size_t kThreads = 5 * 2 * 4, kBlocks = 2 * 3 * 2;
  const Address out = machine.allocate(4 * kThreads * kBlocks);
  const Outcome outcome = machine.launch(module, "k", {2, 3, 2}, {5, 2, 4}, 0, Arguments(out));
  CHECK(outcome.text() == "");
  std::vector<uint32_t> values(kThreads * kBlocks);
  machine.read(out, values.data(), 4 * values.size());
  for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == i % kThreads);
}
