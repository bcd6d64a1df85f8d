// One kernel per kind of fault, wrong on purpose, and beside it the same kernel put right.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/ptx/ptx_machine.h"

using namespace ag::ptx;

namespace {

constexpr size_t kBytes = 4 * 128;  // of the kernel's memory, all written

// A kernel of one pointer; %t is the thread, %a the address of its word.
std::string kernel_of(std::string_view body) {
  return fmt::format(R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 k_0) {{
  .reg .pred %p<4>;
  .reg .b32 %r<9>, %t, %b;
  .reg .b64 %out, %a, %s, %d<9>;
  ld.param.u64 %out, [k_0];
  mov.u32 %t, %tid.x;
  mov.u32 %b, %ctaid.x;
  mul.wide.u32 %s, %t, 4;
  add.s64 %a, %out, %s;
{}
  ret;
}}
)",
                     body);
}

Outcome run(std::string_view body, uint32_t threads = 64, uint32_t blocks = 1,
            uint32_t shared = kBytes) {
  Machine machine;
  machine.budget = 100'000;
  const Module& module = machine.load(kernel_of(body));
  const std::vector<uint8_t> zeros(kBytes);
  const Address out = machine.allocate(kBytes);
  machine.write(out, zeros.data(), kBytes);
  return machine.launch(module, "k", {blocks}, {threads}, shared, Arguments(out));
}

void check_wrong(Fault fault, std::string_view body, uint32_t threads = 64, uint32_t blocks = 1) {
  const Outcome outcome = run(body, threads, blocks);
  CAPTURE(outcome.text());
  CHECK(outcome.reports.count > 0);
  for (const Report& report : outcome.reports.first) CHECK(report.fault == fault);
}

void check_right(std::string_view body, uint32_t threads = 64, uint32_t blocks = 1) {
  CHECK(run(body, threads, blocks).text() == "");
}

}  // namespace

TEST_CASE("out of bounds") {
  check_right("  st.global.b32 [%a+256], %t;");
  check_wrong(Fault::out_of_bounds, "  st.global.b32 [%a+260], %t;");
  check_wrong(Fault::out_of_bounds, "  ld.global.b32 %r0, [%out+-4];");
  check_wrong(Fault::out_of_bounds, "  ld.global.v2.b32 {%r0, %r1}, [%out+512];");
  check_wrong(Fault::out_of_bounds, "  st.shared.b32 [%s+260], %t;");
  check_wrong(Fault::out_of_bounds, "  mov.b64 %d0, 0; ld.b32 %r0, [%d0];");
  check_wrong(Fault::out_of_bounds, "  ld.param.u64 %d0, [k_0+8];");
  check_wrong(Fault::out_of_bounds, "  .local .b8 depot[8]; st.local.b32 [depot+8], %t;");
  const Outcome outcome = run("  st.global.b32 [%a+508], %t;", 2);
  REQUIRE(outcome.reports.count == 1);
  CHECK(outcome.reports.first[0].line == 13);
  CHECK(outcome.text() ==
        "out of bounds: k, line 13: 'st.global.b32 [%a+508], %t', block (0, 0, 0), thread 1: 4 "
        "bytes of global memory at 0x700000000200\n");
}

TEST_CASE("memory that was given back") {
  Machine machine;
  const Module& module = machine.load(kernel_of("  st.global.b32 [%a], %t;"));
  const Address out = machine.allocate(kBytes);
  CHECK(machine.allocations() == 1);
  CHECK(machine.free(out));
  CHECK_FALSE(machine.free(out));
  CHECK(machine.launch(module, "k", {}, {1}, 0, Arguments(out)).has(Fault::out_of_bounds));
}

TEST_CASE("misaligned") {
  check_right("  ld.global.v2.b32 {%r0, %r1}, [%out+8];");
  check_wrong(Fault::misaligned, "  ld.global.b32 %r0, [%out+2];");
  check_wrong(Fault::misaligned, "  ld.global.v4.b32 {%r0, %r1, %r2, %r3}, [%out+8];");
}

TEST_CASE("uninitialised reads") {
  check_right("  st.shared.b32 [%s], %t; ld.shared.b32 %r0, [%s];");
  check_wrong(Fault::uninitialised_read, "  ld.shared.b32 %r0, [%s];");
  check_wrong(Fault::uninitialised_read, "  st.shared.b16 [%s], 1; ld.shared.b32 %r0, [%s];");
  check_wrong(Fault::uninitialised_read,
              "  .local .align 4 .b8 depot[8]; ld.local.b32 %r0, [depot];");
  // Registers: what is computed from nothing is nothing, and matters once it is used.
  check_right("  add.s32 %r1, %r0, 1;");
  check_wrong(Fault::uninitialised_read, "  add.s32 %r1, %r0, 1; st.global.b32 [%a], %r1;");
  check_wrong(Fault::uninitialised_read, "  @%p0 bra done; done:");
  check_wrong(Fault::uninitialised_read,
              "  setp.lt.u32 %p0, %t, 5; @%p0 mov.b32 %r0, 1; st.global.b32 [%a], %r0;");
  check_wrong(Fault::uninitialised_read,
              "  setp.lt.u32 %p0, %t, 5; @%p0 mov.b32 %r0, 1;"
              "  shfl.sync.idx.b32 %r1, %r0, 9, 31, -1; st.global.b32 [%a], %r1;");
}

TEST_CASE("races in shared memory") {
  const auto neighbours = [](std::string_view between, std::string_view distance) {
    return fmt::format(
        "  st.shared.b32 [%s], %t; {} xor.b32 %r0, %t, {}; mul.wide.u32 %d0, %r0, 4;"
        "  ld.shared.b32 %r1, [%d0];",
        between, distance);
  };
  check_right(neighbours("bar.sync 0;", "32"));
  check_right(neighbours("bar.sync 0;", "1"));
  check_right(neighbours("bar.warp.sync -1;", "1"));
  check_right(neighbours("", "0"));
  // Within a warp: lock step is no order.
  check_wrong(Fault::shared_race, neighbours("", "1"));
  // Between warps: a barrier of the warp is not enough. The second warp to run is the one that
  // reads what is written; the first reads what is not there yet.
  const Outcome outcome = run(neighbours("bar.warp.sync -1;", "32"));
  CHECK(outcome.has(Fault::shared_race));
  CHECK(outcome.has(Fault::uninitialised_read));
  // All threads write one word; that they write the same does not help.
  check_wrong(Fault::shared_race, "  st.shared.b32 [0], 7;");
  // A read, then another thread's write.
  check_wrong(Fault::shared_race,
              "  st.shared.b32 [%s], %t; bar.sync 0; ld.shared.b32 %r0, [%s];"
              "  xor.b32 %r0, %t, 40; mul.wide.u32 %d0, %r0, 4; st.shared.b32 [%d0], 1;");
  check_right(
      "  setp.eq.s32 %p0, %t, 0; @%p0 st.shared.b32 [0], 0; bar.sync 0;"
      "  atom.shared.add.u32 %r0, [0], 1; bar.sync 0; ld.shared.b32 %r0, [0];");
  check_wrong(Fault::shared_race,
              "  setp.eq.s32 %p0, %t, 0; @%p0 st.shared.b32 [0], 0; bar.sync 0;"
              "  atom.shared.add.u32 %r0, [0], 1; ld.shared.b32 %r0, [0];");
}

TEST_CASE("copies that run while the thread goes on") {
  const auto copied = [](std::string_view wait, std::string_view behind) {
    return fmt::format(
        "  st.global.b32 [%a], %t; cp.async.ca.shared.global [%s], [%a], 4; cp.async.commit_group;"
        "  {} xor.b32 %r0, %t, {} mul.wide.u32 %d0, %r0, 4; ld.shared.b32 %r1, [%d0];",
        wait, behind);
  };
  const std::string_view done = "cp.async.wait_group 0;";
  check_right(copied(done, "0;"));  // its own copy needs a wait alone,
  check_right(copied(done, "32; bar.sync 0;"));
  check_wrong(Fault::uninitialised_read, copied("", "0;"));
  check_wrong(Fault::uninitialised_read, copied("cp.async.wait_group 1;", "0;"));
  CHECK(run(copied(done, "1;")).has(Fault::shared_race));  // another's a barrier, too.
  // A wait behind the barrier is too late for others.
  CHECK(run(copied("bar.sync 0;", "1; cp.async.wait_all;")).has(Fault::shared_race));
  // What others still read must not be overwritten, not even by a copy that is waited for later.
  check_wrong(Fault::shared_race,
              "  st.shared.b32 [%s], %t; st.global.b32 [%a], %t; bar.sync 0;"
              "  xor.b32 %r0, %t, 1; mul.wide.u32 %d0, %r0, 4; ld.shared.b32 %r1, [%d0];"
              "  cp.async.ca.shared.global [%s], [%a], 4; bar.sync 0; cp.async.wait_all;");
  // Bytes that are not read are zero, and their address may be anything.
  check_right(
      "  cp.async.ca.shared.global [%s], [%out+4096], 4, 0; cp.async.wait_all;"
      "  ld.shared.b32 %r0, [%s]; st.global.b32 [%a], %r0;");
  check_wrong(Fault::out_of_bounds, "  cp.async.ca.shared.global [%s], [%out+4096], 4;");
  CHECK(run("  cp.async.cg.shared.global [%s], [%out], 16;", 2).has(Fault::misaligned));
  CHECK_THROWS_AS(run("  cp.async.cg.shared.global [%s], [%a], 4;"), PtxError);
  CHECK_THROWS_AS(run("  cp.async.ca.shared.global [%s], [%a], 3;"), PtxError);
  CHECK_THROWS_AS(run("  cp.async.wait_group %r0;"), PtxError);
}

TEST_CASE("races in global memory") {
  check_right("  st.global.b32 [%a], %t;");
  check_right("  st.global.b32 [%out], 7;", 64, 2);  // twice the same
  check_wrong(Fault::global_race, "  st.global.b32 [%out], %t;");
  check_wrong(Fault::global_race, "  st.global.b32 [%a], %b;", 64, 2);
  // No barrier orders two blocks.
  const std::string_view far =
      "  setp.eq.s32 %p0, %b, 0; @%p0 st.global.b32 [%a], 1; bar.sync 0; ld.global.b32 %r0, [%a];";
  check_right(far, 64, 1);
  check_wrong(Fault::global_race, far, 64, 2);
}

TEST_CASE("divergent barriers") {
  check_right("  bar.sync 0;");
  check_wrong(Fault::divergent_barrier, "  setp.lt.u32 %p0, %t, 16; @%p0 bar.sync 0;");
  check_wrong(Fault::divergent_barrier,
              "  setp.lt.u32 %p0, %t, 16; @%p0 bra skip; bar.sync 0; skip:", 32);
  // Whole warps that go another way, or home.
  check_wrong(Fault::divergent_barrier,
              "  setp.lt.u32 %p0, %t, 32; @%p0 bra skip; bar.sync 0; skip:");
  check_wrong(Fault::divergent_barrier,
              "  setp.lt.u32 %p0, %t, 32; @%p0 bra other; bar.sync 0; ret; other: bar.sync 0;");
  check_wrong(Fault::divergent_barrier, "  setp.lt.u32 %p0, %t, 16; @%p0 bar.warp.sync -1;", 32);
}

TEST_CASE("divergent shuffles and votes") {
  check_right("  setp.lt.u32 %p0, %t, 16; @%p0 shfl.sync.idx.b32 %r0, %t, 3, 31, 65535;", 32);
  check_wrong(Fault::divergent_exchange,
              "  setp.lt.u32 %p0, %t, 16; @%p0 shfl.sync.idx.b32 %r0, %t, 3, 31, -1;", 32);
  check_wrong(Fault::divergent_exchange, "  shfl.sync.idx.b32 %r0, %t, 3, 31, 65535;", 32);
  check_wrong(Fault::divergent_exchange,
              "  setp.lt.u32 %p0, %t, 16; @%p0 shfl.sync.idx.b32 %r0, %t, 20, 31, 65535;", 32);
  check_wrong(Fault::divergent_exchange,
              "  setp.lt.u32 %p0, %t, 16; @%p0 vote.sync.ballot.b32 %r0, %p0, -1;", 32);
}

TEST_CASE("kernels that do not end, or give up") {
  check_wrong(Fault::endless, "  loop: bra loop;", 32);
  check_wrong(Fault::trap, "  setp.eq.s32 %p0, %t, 3; @%p0 trap;");
}

TEST_CASE("one report stands for all threads, however wrong the kernel is") {
  const Outcome outcome = run("  ld.global.b32 %r0, [%out+-4];", 128, 3);
  CHECK(outcome.reports.first.size() == 1);
  CHECK(outcome.reports.count == 3 * 128);
  CHECK(outcome.text().ends_with("and 383 more\n"));
}

TEST_CASE("launches that cannot be") {
  Machine machine;
  const Module& module = machine.load(kernel_of(""));
  CHECK_THROWS_WITH_AS(machine.launch(module, "none", {}, {}, 0, Arguments(Address{0})),
                       "no kernel none", PtxError);
  CHECK_THROWS_WITH_AS(machine.launch(module, "k", {}, {}, 0, Arguments()),
                       "k takes 1 arguments, not 0", PtxError);
  CHECK_THROWS_WITH_AS(machine.launch(module, "k", {}, {}, 0, Arguments(uint32_t{0})),
                       "k: k_0 has 8 bytes, not 4", PtxError);
  CHECK_THROWS_WITH_AS(machine.launch(module, "k", {}, {2048}, 0, Arguments(Address{0})),
                       "k: 1 blocks of 2048 threads", PtxError);
}
