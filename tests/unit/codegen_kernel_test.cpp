#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "codegen/kernel/disk_cache.h"
#include "codegen/kernel/worker_pool.h"
#include "ir/diagnostics.h"
#include "ir/file.h"

using namespace ag;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("argent_kernel_test_{}", getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

KernelRequest request_named(const std::string& symbol) {
  KernelRequest request;
  request.symbol = symbol;
  request.text = "graph @" + symbol + "(%x: f32[1,20,7,7]{aBcd16b}) {\n}\n";
  BufferForm form{f32(1, 20, 7, 7), {{0, 0}, {0, 0}, {1, 1}, {1, 2}}, {2592, 1296, 160, 16, 1}};
  form.type.layout = Layout::blocked(4, 1, 16);
  request.operands = {form, {f32(20), {}, {}}};
  request.results = {form};
  request.schedule = "conv_forward{tile_x=7,tile_y=1,tile_k=2}";
  request.target = "x86-64-v4";
  return request;
}

std::vector<KernelRequest> many_requests(int count) {
  std::vector<KernelRequest> requests;
  for (int i = 0; i < count; ++i) requests.push_back(request_named(fmt::format("kernel_{}", i)));
  return requests;
}

WorkerPoolOptions fake(double seconds = 60, int64_t memory_bytes = int64_t{256} << 20) {
  return {.program = FAKE_KERNEL_WORKER, .workers = 2, .limits = {seconds, memory_bytes}};
}

// Counts what reaches it.
class CountingCompiler : public KernelCompiler {
 public:
  void compile(std::span<const KernelRequest> requests, const Take& take) override {
    for (size_t i = 0; i < requests.size(); ++i) {
      ++compiled;
      take(i, {KernelStatus::ok, "", {.object = "object of " + requests[i].symbol}});
    }
  }
  std::string identity() override { return name; }

  int compiled = 0;
  std::string name = "counting";
};

std::string message_of(const KernelRequest& request, WorkerPool& pool) {
  try {
    compile_all(std::vector{request}, pool, nullptr);
  } catch (const CompileError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("requests, results and outcomes survive the wire") {
  KernelRequest request = request_named("conv");
  request.explain = true;
  CHECK(parse_kernel_request(serialize(request)) == request);

  const KernelResult result{std::string("\x7f"
                                        "ELF\0x",
                                        6),
                            12345,
                            1.5,
                            2.25,
                            "for y",
                            ".version 7.0",
                            {{"conv_0",
                              {7, 2, 1},
                              {32, 8, 1},
                              576,
                              {{LaunchArgument::Memory::parameter, 1},
                               {LaunchArgument::Memory::scratch, 256}}}},
                            "0123"};
  const auto outcome =
      parse_kernel_outcome(serialize(KernelOutcome{KernelStatus::timed_out, "late", result}));
  REQUIRE(outcome);
  CHECK(outcome->status == KernelStatus::timed_out);
  CHECK(outcome->message == "late");
  CHECK(outcome->result.object == result.object);
  CHECK(outcome->result.scratch_bytes == 12345);
  CHECK(outcome->result.lowering_ms == 1.5);
  CHECK(outcome->result.llvm_ms == 2.25);
  CHECK(outcome->result.loop_nest == "for y");
  CHECK(outcome->result.ptx == ".version 7.0");
  CHECK(outcome->result.launches == result.launches);
  CHECK(outcome->result.constants == "0123");
}

TEST_CASE("broken bytes are refused, never half read") {
  const std::string whole = serialize(request_named("conv"));
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(parse_kernel_request(std::string_view(whole).substr(0, size)));
  }
  CHECK_FALSE(parse_kernel_request(whole + "x"));
  std::mt19937 random(7);
  for (int trial = 0; trial < 20000; ++trial) {
    std::string mutated = whole;
    mutated[random() % mutated.size()] = static_cast<char>(random());
    const auto parsed = parse_kernel_request(mutated);
    if (parsed && mutated != whole) CHECK(serialize(*parsed) != whole);
  }
}

TEST_CASE("every field of a request, and the compiler, change its cache key") {
  const KernelRequest base = request_named("conv");
  std::vector<KernelRequest> variants(8, base);
  variants[0].symbol = "other";
  variants[1].text += " ";
  variants[2].operands.pop_back();
  variants[3].operands[0].halo[3].high = 3;
  variants[4].results[0].strides[0] += 16;
  variants[5].schedule += " ";
  variants[6].target = "x86-64-v3";
  variants[7].explain = true;
  std::vector<std::string> keys{cache_key(base, "a"), cache_key(base, "b")};
  for (const KernelRequest& variant : variants) keys.push_back(cache_key(variant, "a"));
  std::sort(keys.begin(), keys.end());
  CHECK(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
  CHECK(cache_key(base, "a") == cache_key(request_named("conv"), "a"));
}

TEST_CASE("the pool answers in request order, and bytes depend on the request alone") {
  const std::vector<KernelRequest> requests = many_requests(40);
  WorkerPool pool(fake());
  const std::vector<KernelResult> results = compile_all(requests, pool, nullptr);
  REQUIRE(results.size() == requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    CHECK(results[i].object == requests[i].text + " on x86-64-v4 after 0");
    CHECK(results[i].scratch_bytes == 4096);
  }
  CHECK(pool.compile_each({}).empty());
}

TEST_CASE("threads share one pool") {
  WorkerPool pool(fake());
  const std::vector<KernelRequest> requests = many_requests(8);
  std::vector<size_t> right(3);
  std::vector<std::thread> threads;
  for (size_t& count : right) {
    threads.emplace_back([&] {
      const std::vector<KernelOutcome> outcomes = pool.compile_each(requests);
      for (size_t i = 0; i < outcomes.size(); ++i) {
        count += outcomes[i].result.object.starts_with(requests[i].text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t count : right) CHECK(count == requests.size());
}

TEST_CASE("a kernel that fails is one failed kernel, with its text saved") {
  struct Case {
    std::string symbol, expected;
    double seconds = 60;  // given to the kernel
  };
  std::vector<Case> cases = {
      {"crash", "crashed the kernel compiler: signal 6 (Aborted)\nabout to fall"},
      {"hang", "took too long to compile: stopped after 0.5 s", 0.5},
      {"reject", "was rejected: tile 7 does not divide 30"},
      {"kill_worker", "crashed the kernel compiler"}};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  MESSAGE("skipped: the memory limit, which sanitizers rule out");
#else
  cases.push_back({"eat_memory", "needed too much memory to compile"});
#endif
  for (const Case& bad : cases) {
    CAPTURE(bad.symbol);
    WorkerPool pool(fake(bad.seconds));
    const KernelRequest request = request_named(bad.symbol);
    const std::string message = message_of(request, pool);
    CHECK(contains(message, fmt::format("kernel {} (x86-64-v4, schedule {}) {}", bad.symbol,
                                        request.schedule, bad.expected)));
    const size_t begin = message.find("its text is in ");
    REQUIRE(begin != std::string::npos);
    const std::string path =
        message.substr(begin + 15, message.find(".ag:", begin) + 3 - begin - 15);
    const std::vector<std::byte> bytes = read_file(path);
    CHECK(contains({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, request.text));
    fs::remove(path);
    CHECK(compile_all(many_requests(3), pool, nullptr).size() == 3);
  }
}

TEST_CASE("good kernels of a batch are not harmed by a bad one, and are kept") {
  Folder folder;
  DiskCache cache(folder.path);
  WorkerPool pool(fake());
  std::vector<KernelRequest> requests = many_requests(6);
  requests[2] = request_named("crash");
  CHECK_THROWS_AS(compile_all(requests, pool, &cache), CompileError);
  requests.erase(requests.begin() + 2);
  CompileStatistics statistics;
  compile_all(requests, pool, &cache, &statistics);
  CHECK(statistics.cached == 5);
}

TEST_CASE("a worker that cannot be started is a CompileError with a way out") {
  WorkerPool pool({.program = "/nonexistent/argent-kc"});
  CHECK_THROWS_WITH_AS(pool.compile_each(many_requests(1)),
                       doctest::Contains("cannot start the kernel compiler /nonexistent/argent-kc"),
                       CompileError);
}

TEST_CASE("equal requests compile once; cached ones not at all") {
  Folder folder;
  DiskCache cache(folder.path);
  CountingCompiler compiler;
  std::vector<KernelRequest> requests = many_requests(3);
  requests.push_back(requests[0]);
  CompileStatistics statistics;
  const std::vector<KernelResult> results = compile_all(requests, compiler, &cache, &statistics);
  CHECK(compiler.compiled == 3);
  CHECK(results[3].object == results[0].object);
  CHECK(statistics.requested == 4);
  CHECK(statistics.distinct == 3);
  CHECK(statistics.cached == 0);

  CHECK(compile_all(requests, compiler, &cache, &statistics)[1].object == "object of kernel_1");
  CHECK(compiler.compiled == 3);
  CHECK(statistics.cached == 3);

  compiler.name = "another build";
  compile_all(requests, compiler, &cache);
  CHECK(compiler.compiled == 6);
}

// Is stopped at the last kernel.
class StoppedCompiler : public CountingCompiler {
 public:
  void compile(std::span<const KernelRequest> requests, const Take& take) override {
    CountingCompiler::compile(requests.first(requests.size() - 1), take);
    throw std::runtime_error("stopped");
  }
};

TEST_CASE("kernels are in the cache as soon as they are compiled") {
  Folder folder;
  DiskCache cache(folder.path);
  StoppedCompiler compiler;
  const std::vector<KernelRequest> requests = many_requests(4);
  CHECK_THROWS(compile_all(requests, compiler, &cache));
  CHECK(compiler.compiled == 3);
  CompileStatistics statistics;
  CountingCompiler next;
  compile_all(requests, next, &cache, &statistics);
  CHECK(statistics.cached == 3);
}

TEST_CASE("damaged entries are recompiled and replaced") {
  Folder folder;
  DiskCache cache(folder.path);
  CountingCompiler compiler;
  const std::vector<KernelRequest> requests = many_requests(1);
  compile_all(requests, compiler, &cache);
  const std::string key = cache_key(requests[0], "counting");
  const fs::path path = folder.path / key.substr(0, 2) / (key + ".kernel");
  const auto size = static_cast<int64_t>(fs::file_size(path));
  int expected = 1;
  for (int64_t position = 0; position < size; position += 5) {
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(position);
      const char flipped = static_cast<char>(file.get() ^ 0x40);
      file.seekp(position);
      file.put(flipped);
    }
    CHECK(compile_all(requests, compiler, &cache)[0].object == "object of kernel_0");
    CHECK(compiler.compiled == ++expected);
  }
  fs::resize_file(path, static_cast<uintmax_t>(size / 2));
  CHECK_FALSE(cache.find(key));
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("the least recently used entries go first") {
  Folder folder;
  const KernelResult big{.object = std::string(10000, 'o')};
  DiskCache cache(folder.path, 35000);
  const auto now = fs::file_time_type::clock::now();
  for (int i = 0; i < 5; ++i) {
    const std::string key = content_hash(std::to_string(i));
    cache.insert(key, big);
    fs::last_write_time(folder.path / key.substr(0, 2) / (key + ".kernel"),
                        now - std::chrono::hours(10 - i));
  }
  CHECK(cache.find(content_hash("0")));  // used now
  cache.trim();
  CHECK(cache.find(content_hash("0")));
  CHECK_FALSE(cache.find(content_hash("1")));
  CHECK_FALSE(cache.find(content_hash("2")));
  CHECK(cache.find(content_hash("3")));
  CHECK(cache.find(content_hash("4")));
  CHECK(cache.problem().empty());

  const fs::path oldest =
      folder.path / content_hash("0").substr(0, 2) / (content_hash("0") + ".kernel");
  fs::last_write_time(oldest, now - std::chrono::hours(1));
  cache.insert(content_hash("5"), big);
  cache.trim();  // not so soon again
  CHECK(fs::exists(oldest));
  fs::last_write_time(folder.path / "trimmed", now - std::chrono::hours(1));
  cache.trim();
  CHECK_FALSE(fs::exists(oldest));
  CHECK(cache.find(content_hash("5")));
}

TEST_CASE("a cache that cannot be written says so and harms nothing") {
  Folder folder;
  write_file((folder.path / "file").string(), std::string("in the way"));
  DiskCache cache(folder.path / "file" / "cache");
  CountingCompiler compiler;
  CHECK(compile_all(many_requests(1), compiler, &cache)[0].object == "object of kernel_0");
  CHECK(contains(cache.problem(), "cannot write " + cache.directory().string()));
}

TEST_CASE("where the cache lives") {
  setenv("ARGENT_CACHE_DIR", "/somewhere", 1);
  CHECK(DiskCache::default_directory() == fs::path("/somewhere"));
  setenv("ARGENT_CACHE_DIR", "", 1);
  CHECK_FALSE(DiskCache::default_directory());
  unsetenv("ARGENT_CACHE_DIR");
  setenv("XDG_CACHE_HOME", "/xdg", 1);
  CHECK(DiskCache::default_directory() == fs::path("/xdg/argent"));
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/home/ada", 1);
  CHECK(DiskCache::default_directory() == fs::path("/home/ada/.cache/argent"));
}
