// Libraries, archives and programs on disk.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>
#include <sstream>

#include "codegen/link/library_file.h"
#include "codegen/target.h"
#include "frontend/weights/npy.h"
#include "tests/unit/link_program.h"

using namespace ag;
using namespace ag::test;
namespace fs = std::filesystem;

namespace {

// A folder of this test's own, removed at its end.
struct Folder {
  Folder() : path(fs::temp_directory_path() / fmt::format("argent-link-test-{}", getpid())) {
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

struct Outcome {
  int code;
  std::string output;  // stdout and stderr
};

Outcome shell(const std::string& command) {
  Outcome outcome{-1, ""};
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  char buffer[4096];
  while (const size_t got = fread(buffer, 1, sizeof buffer, pipe))
    outcome.output.append(buffer, got);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

void run_or_fail(const std::string& command) {
  const Outcome outcome = shell(command);
  INFO(command, "\n", outcome.output);
  REQUIRE(outcome.code == 0);
}

std::string host() { return std::string(host_target().name); }

std::string bytes_of(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::set<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::set<std::string> result;
  for (std::string word; stream >> word;) result.insert(word);
  return result;
}

}  // namespace

TEST_CASE("a shared library exports its ABI, needs libc and libm only, and is the same twice") {
  const Folder folder;
  const std::string path = folder.file("alpha.so");
  const plan::Program program = bake_weights(tiny_program("alpha", host(), 1));
  emit_file(program, EmitKind::shared_library, path);
  CHECK(bytes_of(path) == emit(program, EmitKind::shared_library, "alpha.so"));

  const Outcome exports = shell("nm -D --defined-only --format=just-symbols " + path);
  CHECK(words(exports.output) ==
        std::set<std::string>{"alpha_model", "argent_model", "argent_thread_pool_v1"});
  const Outcome dynamic = shell("readelf -d " + path + " | grep NEEDED");
  CHECK(dynamic.output.find("libc.so.6") != std::string::npos);
  for (const std::string& word : words(dynamic.output)) {
    if (word.front() == '[') CHECK((word == "[libc.so.6]" || word == "[libm.so.6]"));
  }
  CHECK(shell("readelf -lW " + path).output.find("GNU_STACK") != std::string::npos);
  CHECK(shell("readelf -lW " + path + " | grep GNU_STACK").output.find("RWE") == std::string::npos);

  const LibraryFile file = open_library_file(path);
  CHECK(file.file_bytes == fs::file_size(path));
  CHECK(file.code_bytes > 1000);
  CHECK(file.code_bytes < file.file_bytes);
  auto loaded = LoadedProgram::from_file(path);
  CHECK(std::string(loaded->library().name) == "alpha");
  ProgramInstance instance = loaded->instance(2);
  const Array image = ramp({4, 8});
  for (int i = 0; i < 50; ++i) {
    CHECK(instance.run(0, std::vector{image})[0].get_double(31) == 4 * image.get_double(31));
  }
  const Array sum = instance.run(1, std::vector{ramp({8})})[0];
  CHECK(sum.get_double(4) == doctest::Approx(std::exp(1.0) + 2));
}

TEST_CASE("weights stand once in every kind of file, and aligned where they are used") {
  const plan::Program program = bake_weights(tiny_program("alpha", host(), 1));
  const plan::Program levels[] = {program, program};
  const std::string& weights = *program.prepared;
  REQUIRE(weights.size() >= 32);
  for (EmitKind kind : {EmitKind::shared_library, EmitKind::static_library, EmitKind::object,
                        EmitKind::executable}) {
    for (size_t count : {1, 2}) {
      const std::string file = emit({levels, count}, kind, "alpha.so");
      const size_t place = file.find(weights);
      REQUIRE(place != std::string::npos);
      CHECK(file.find(weights, place + 1) == std::string::npos);
      // An archive's members stand at even places only.
      if (kind != EmitKind::static_library) CHECK(place % plan::kStorageAlignment == 0);
    }
  }
}

TEST_CASE("call sites carry the user's lines and layers") {
  const Folder folder;
  emit_file(tiny_program("alpha", host(), 1), EmitKind::shared_library, folder.file("alpha.so"));
  const std::string dump =
      shell("readelf --debug-dump=decodedline " + folder.file("alpha.so")).output;
  CHECK(dump.find("net.cpp") != std::string::npos);
  const std::string info = shell("readelf --debug-dump=info " + folder.file("alpha.so")).output;
  CHECK(info.find("layer1.0.conv2") != std::string::npos);
  CHECK(info.find("DW_TAG_inlined_subroutine") != std::string::npos);
}

TEST_CASE("two networks link into one C program, as archives, as objects and as libraries") {
  const Folder folder;
  const std::string source = ARGENT_SOURCE_DIR "/tests/unit/link_client.c";
  for (const char* extension : {".a", ".o", ".so"}) {
    const std::string first = folder.file(std::string("alpha") + extension);
    const std::string second = folder.file(std::string("beta") + extension);
    emit_file(bake_weights(tiny_program("alpha", host(), 1)), emit_kind_of(first), first);
    emit_file(tiny_program("beta", host(), 7), emit_kind_of(second), second);  // prepares at open
    run_or_fail(fmt::format(
        "{} -std=c99 -Wall -Wextra -Werror -pedantic -I{} {} {} {} -lm -o {} "
        "-Wl,-rpath,'$ORIGIN'",
        C_COMPILER, folder.path.string(), source, first, second, folder.file("client")));
    const Outcome outcome = shell(folder.file("client"));
    CHECK(outcome.code == 0);
    CHECK(outcome.output ==
          "fail: kernel 'test_fail' (layer1.0.conv2, net.cpp:13) failed: row 3 is bad\n");
  }
  run_or_fail(fmt::format("{} -x c++ -std=c++11 -Wall -Wextra -Werror -I{} {} -x none {} {} -o {}",
                          CXX_COMPILER, folder.path.string(), source, folder.file("alpha.a"),
                          folder.file("beta.a"), folder.file("client")));
  run_or_fail(folder.file("client"));
}

namespace {

void check_program_file(const std::string& run, const Folder& folder) {
  write_npy(folder.file("vector.npy"), ramp({8}));
  run_or_fail(
      fmt::format("{} {} {} --threads 2", run, folder.file("vector.npy"), folder.file("sum.npy")));
  const Array sum = read_npy(folder.file("sum.npy"));
  REQUIRE(sum.shape() == Shape{8});
  for (int64_t i = 0; i < 8; ++i) {
    CHECK(sum.get_double(i) == doctest::Approx(std::exp(static_cast<double>(i) / 4) + 10));
  }
  const Outcome bench = shell(run + " --bench --entry forward_b4 --runs 20");
  CHECK(bench.code == 0);
  CHECK(bench.output.find("forward_b4: min ") == 0);
  CHECK(shell(run + " --info").output.find("input image: 128 bytes, [4,8]") != std::string::npos);

  write_npy(folder.file("wrong.npy"), ramp({9}));
  const Outcome wrong = shell(
      fmt::format("{} {} {} --entry add", run, folder.file("wrong.npy"), folder.file("other.npy")));
  CHECK(wrong.code == 1);
  CHECK(wrong.output == "error: add: 'vector' has shape [8], but [9] was given\n");
  CHECK_FALSE(fs::exists(folder.file("other.npy")));
  for (const char* threads : {"0", "-1", "99999999999", "two"}) {
    const Outcome refused = shell(fmt::format("{} --bench --threads {}", run, threads));
    CHECK(refused.code == 1);
    CHECK(refused.output ==
          "error: --threads is no option, or lacks a value that fits; see --help\n");
  }
  CHECK(shell(run + " --bench --entry add --threads 257")
            .output.find(": 257 threads asked for; possible are 1 to 256\n") != std::string::npos);
  const std::string cut = bytes_of(folder.file("vector.npy"));
  for (size_t size = 0; size < cut.size(); size += 7) {
    write_file(folder.file("cut.npy"), cut.substr(0, size));
    CHECK(shell(fmt::format("{} {} {}", run, folder.file("cut.npy"), folder.file("o.npy"))).code ==
          1);
  }
}

}  // namespace

TEST_CASE("a standalone program reads and writes .npy files") {
  const Folder folder;
  emit_file(tiny_program("net", host(), 5), EmitKind::executable, folder.file("net"));
  check_program_file(folder.file("net"), folder);
  const std::string first = bytes_of(folder.file("net"));
  emit_file(tiny_program("net", host(), 5), EmitKind::executable, folder.file("net"));
  CHECK(first == bytes_of(folder.file("net")));
}

TEST_CASE("a processor below the program's level is told so, one at the level runs it") {
  if (shell("qemu-x86_64 --version").code != 0) {
    MESSAGE("skipped: needs qemu-x86_64");
    return;
  }
  const Folder folder;
  const std::string nehalem = "qemu-x86_64 -cpu Nehalem ";
  emit_file(tiny_program("plain", "x86-64-v2", 5), EmitKind::executable, folder.file("plain"));
  check_program_file(nehalem + folder.file("plain"), folder);
  for (const char* level : {"x86-64-v3", "x86-64-v4", "x86-64-v4+vnni+bf16"}) {
    emit_file(tiny_program("wide", level, 5), EmitKind::executable, folder.file("wide"));
    const Outcome outcome = shell(nehalem + folder.file("wide") + " --bench --entry add");
    CHECK(outcome.code == 1);
    CHECK(outcome.output == fmt::format("error: wide: compiled for {}, and this processor lacks "
                                        "some of its instructions\n",
                                        level));
  }
}

TEST_CASE("aarch64 is cross-linked and runs under qemu") {
  const std::string qemu = "qemu-aarch64 -L /usr/aarch64-linux-gnu ";
  if (shell("qemu-aarch64 --version").code != 0 || LINK_KERNELS_AARCH64[0] == 0) {
    MESSAGE("skipped: needs qemu-aarch64 and aarch64-linux-gnu-g++");
    return;
  }
  const Folder folder;
  emit_file(tiny_program("net", "aarch64", 5), EmitKind::executable, folder.file("net"));
  check_program_file(qemu + folder.file("net"), folder);
  emit_file(tiny_program("net", "aarch64", 5), EmitKind::shared_library, folder.file("net.so"));
  CHECK(shell("readelf -h " + folder.file("net.so")).output.find("AArch64") != std::string::npos);
  if (host() == "aarch64") return;
  CHECK_THROWS_WITH_AS(open_library_file(folder.file("net.so")),
                       doctest::Contains("net.so is made for aarch64, this machine is x86_64"),
                       CompileError);
}

namespace {

// Threads of this process besides the caller's.
size_t other_threads() {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/task")) {
    count += entry.is_directory();
  }
  return count - 1;
}

}  // namespace

TEST_CASE("libraries and programs in memory share one thread pool") {
  const Folder folder;
  emit_file(tiny_program("gamma", host(), 1), EmitKind::shared_library, folder.file("gamma.so"));
  emit_file(tiny_program("delta", host(), 2), EmitKind::shared_library, folder.file("delta.so"));
  const std::vector<std::shared_ptr<LoadedProgram>> programs = {
      LoadedProgram::in_memory(tiny_program("epsilon", host(), 3)),
      LoadedProgram::from_file(folder.file("gamma.so")),
      LoadedProgram::from_file(folder.file("delta.so"))};
  std::vector<ProgramInstance> instances;
  for (const auto& program : programs) {
    instances.push_back(program->instance(4));
    instances.back().run(0, std::vector{ramp({4, 8})});
  }
  CHECK(other_threads() == 3);
}

TEST_CASE("what cannot be written or opened is the user's error") {
  const Folder folder;
  const plan::Program program = tiny_program("alpha", host(), 1);
  CHECK_THROWS_AS(
      emit_file(program, EmitKind::shared_library, folder.file("no/such/folder/alpha.so")),
      CompileError);
  CHECK_THROWS_AS(LoadedProgram::from_file(folder.file("absent.so")), CompileError);
  write_file(folder.file("text.so"), std::string("not a library"));
  CHECK_THROWS_AS(LoadedProgram::from_file(folder.file("text.so")), CompileError);
  run_or_fail(
      fmt::format("echo 'int x;' | {} -shared -x c - -o {}", C_COMPILER, folder.file("other.so")));
  CHECK_THROWS_AS(LoadedProgram::from_file(folder.file("other.so")), CompileError);
}

TEST_CASE("a library's header is written over one of Argent, and over no other") {
  const Folder folder;
  const plan::Program program = tiny_program("mine", host(), 1);
  const std::string header = folder.file("mine.h"), text = "Model make_net();\n";
  write_file(header, text);
  for (const auto& [kind, name] :
       {std::pair(EmitKind::shared_library, "mine.so"),
        std::pair(EmitKind::static_library, "mine.a"), std::pair(EmitKind::header, "mine.h")}) {
    CHECK_THROWS_WITH_AS(emit_file(program, kind, folder.file(name)),
                         doctest::Contains("mine.h is not a header made by Argent"), CompileError);
  }
  CHECK(bytes_of(header) == text);
  CHECK_FALSE(fs::exists(folder.file("mine.so")));
  CHECK_NOTHROW(emit_file(program, EmitKind::executable, folder.file("mine")));

  fs::remove(header);
  emit_file(program, EmitKind::shared_library, folder.file("mine.so"));
  CHECK_NOTHROW(emit_file(program, EmitKind::static_library, folder.file("mine.a")));
}

TEST_CASE("a kernel that calls an unknown function is named") {
  plan::Program program = tiny_program("alpha", host(), 1);
  const Folder folder;
  write_file(folder.file("k.c"), std::string("int unknown(void); int odd_kernel(void* u, void* b) "
                                             "{ (void)u; (void)b; return unknown(); }"));
  run_or_fail(
      fmt::format("{} -c -fPIC {} -o {}", C_COMPILER, folder.file("k.c"), folder.file("k.o")));
  program.kernels["odd_kernel"] = std::make_shared<const std::string>(bytes_of(folder.file("k.o")));
  program.entries[2].steps[0].kernel = "odd_kernel";
  for (EmitKind kind : {EmitKind::shared_library, EmitKind::static_library}) {
    std::string message;
    try {
      emit(program, kind, "alpha");
    } catch (const InternalError& error) {
      message = error.what();
    }
    CHECK(message.find("undefined symbol: unknown") != std::string::npos);
    CHECK(message.find("odd_kernel") != std::string::npos);
  }
}
