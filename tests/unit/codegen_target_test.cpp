#include <doctest/doctest.h>

#include <cstdlib>

#include "codegen/target.h"
#include "ir/diagnostics.h"

using namespace ag;

TEST_CASE("targets are found by name, and host is one of them") {
  CHECK(find_target("x86-64-v3").vector_bytes == 32);
  CHECK(find_target("x86-64-v4").lanes(4) == 16);
  CHECK(find_target("aarch64").architecture == Architecture::aarch64);
  CHECK(find_target("host").name == host_target().name);
  CHECK(is_runnable(host_target()));
  CHECK(halide_target(find_target("x86-64-v2")) ==
        "x86-64-linux-sse41-no_runtime-no_asserts-no_bounds_query-user_context");
}

TEST_CASE("an unknown target is answered with the known ones") {
  try {
    find_target("x86-64-v5");
    FAIL("no error");
  } catch (const CompileError& error) {
    CHECK(std::string(error.what()) ==
          "error: unknown target 'x86-64-v5'\n"
          "help: the targets are x86-64-v2, x86-64-v3, x86-64-v4, x86-64-v4+vnni+bf16, aarch64, "
          "cuda-sm_80, cuda-sm_90, host, cuda");
  }
}

TEST_CASE("a target this machine cannot run is named together with the machine") {
  setenv("ARGENT_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
  for (const Target& target : known_targets()) {
    if (is_runnable(target)) {
      CHECK_NOTHROW(require_runnable(target));
      continue;
    }
    try {
      require_runnable(target);
      FAIL("no error");
    } catch (const CompileError& error) {
      const std::string text = error.what();
      CHECK(text.find(target.name) != std::string::npos);
      CHECK(text.find(host_target().name) != std::string::npos);
    }
  }
}

TEST_CASE("CUDA devices are targets, whose kernels a processor launches") {
  const Target& target = find_target("cuda-sm_90");
  CHECK(target.is_cuda());
  CHECK(target.compute_capability == 90);
  CHECK_FALSE(target.has_halos());
  CHECK_FALSE(is_runnable(target));
  CHECK(halide_target(find_target("cuda-sm_80")) ==
        "x86-64-linux-sse41-cuda-cuda_capability_80-no_runtime-no_asserts-no_bounds_query-"
        "user_context");
  CHECK_THROWS_WITH_AS(find_targets("x86-64-v3,cuda-sm_80"),
                       doctest::Contains("one file cannot hold code for x86-64-v3 and for cuda"),
                       CompileError);
  setenv("ARGENT_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
  CHECK_THROWS_WITH_AS(require_runnable(target),
                       doctest::Contains("target cuda-sm_90: no CUDA driver on this machine"),
                       CompileError);
  CHECK_THROWS_WITH_AS(find_target("cuda"), doctest::Contains("target cuda: no CUDA driver"),
                       CompileError);
}
