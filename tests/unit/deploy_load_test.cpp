// One compiled library under load: many threads, an instance each; one instance in two threads; any
// number of threads in one call. ARGENT_LOAD_SECONDS=60 in the environment makes a minute of it.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "codegen/link/library_file.h"
#include "deploy/compile.h"
#include "frontend/zoo/zoo.h"
#include "ir/ops/leaf.h"
#include "tests/all_threads.h"
#include "tests/sample.h"
#include "train/training_step.h"

using namespace ag;

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double load_seconds() {
  const char* seconds = std::getenv("ARGENT_LOAD_SECONDS");
  return seconds ? std::max(1.0, std::atof(seconds)) : 3;
}

bool same_bytes(const Array& a, const Array& b) {
  return a.type() == b.type() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool same_bytes(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Array& x, const Array& y) { return same_bytes(x, y); });
}

// A network of a few milliseconds with parallel loops, in a file.
struct Library {
  Library() : path(fs::temp_directory_path() / fmt::format("argent-load-{}.so", getpid())) {
    Model model = zoo_model("lenet5", 192);
    model.initialize(1);
    compile(model, path.string(), {.name = "lenet5"});
    program = LoadedProgram::from_file(path.string());
    image = model.inputs()[0].type;
  }
  ~Library() {
    fs::remove(path);
    fs::remove(fs::path(path).replace_extension(".h"));
  }

  fs::path path;
  std::shared_ptr<LoadedProgram> program;
  TensorType image;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnHeap =
    false;  // a sanitizer's heap keeps what is freed; it looks for leaks itself
#else
constexpr bool kOwnHeap = true;
#endif

// Memory in use, after the allocator gave back what it can.
int64_t resident_bytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace

TEST_CASE("sixteen threads with an instance each: right answers, and no memory is lost") {
  constexpr int kThreads = 16, kRunsOfAnInstance = 5;
  // One heap for all threads, whose free pages malloc_trim gives back; heaps of threads keep
  // theirs.
  if (kOwnHeap) REQUIRE(mallopt(M_ARENA_MAX, 1) == 1);
  const Library library;
  std::vector<std::vector<Array>> images, wanted;
  for (int t = 0; t < kThreads; ++t) {
    images.push_back({sample(library.image, t)});
    wanted.push_back(library.program->instance().run(0, images.back()));
  }
  REQUIRE_FALSE(same_bytes(wanted[0], wanted[1]));

  std::atomic<int64_t> runs{0}, instances{0}, wrong{0};
  auto serve = [&](int t, Clock::time_point end) {
    std::vector<Array> results = wanted[static_cast<size_t>(t)];
    const Array* in[] = {&images[static_cast<size_t>(t)][0]};
    Array* out[] = {&results[0]};
    do {
      ProgramInstance instance = library.program->instance(1 + t % 4);
      ++instances;
      for (int i = 0; i < kRunsOfAnInstance; ++i) {
        std::memset(results[0].data(), 0, results[0].size_bytes());
        instance.run(0, in, out);
        wrong += !same_bytes(results, wanted[static_cast<size_t>(t)]);
        ++runs;
      }
    } while (Clock::now() < end);
  };
  auto serve_all = [&](double seconds) {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
    std::vector<std::thread> servers;
    for (int t = 0; t < kThreads; ++t) servers.emplace_back(serve, t, end);
    for (std::thread& server : servers) server.join();
  };
  serve_all(load_seconds() / 3);
  const int64_t early_instances = instances, early_bytes = resident_bytes();
  serve_all(load_seconds());
  const int64_t grown = resident_bytes() - early_bytes, later = instances - early_instances;

  CHECK(wrong == 0);
  CHECK(runs > 3 * kThreads);
  MESSAGE(runs.load() << " runs, " << grown / 1024 << " KiB more resident after the last " << later
                      << " of " << instances.load() << " instances");
  // At both moments no instance is open, so what is more was lost: one KB of each instance would
  // do.
  if (kOwnHeap) CHECK(grown < int64_t{256} << 10);
}

TEST_CASE("an instance that runs is refused to other threads, and runs on undisturbed") {
  const Library library;
  argent_error error;
  const argent_library& functions = library.program->library();
  argent_network* network = argent_open(&functions, &error);
  REQUIRE(network);
  argent_instance* instance = argent_create(network, 2, &error);
  REQUIRE(instance);
  const Array image = sample(library.image, 7);
  const std::vector<Array> wanted = library.program->instance().run(0, {&image, 1});
  auto tensor = [](const Array& array) {
    return argent_tensor{const_cast<std::byte*>(array.data()), array.shape().data(),
                         array.size_bytes(), static_cast<uint32_t>(array.shape().size()),
                         static_cast<uint32_t>(array.dtype())};
  };
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, failed{0};
  std::thread owner([&] {
    Array result = wanted[0];
    const argent_tensor in = tensor(image), out = tensor(result);
    while (!stop) {
      const int code = argent_run(instance, 0, &in, 1, &out, 1);
      if (code == ARGENT_BUSY) continue;  // one of the calls below has it
      failed += code != ARGENT_OK;
      wrong += !same_bytes(result, wanted[0]);
    }
  });
  Array other = wanted[0];
  const argent_tensor in = tensor(image), out = tensor(other);
  const std::function<int()> calls[] = {
      [&] { return argent_run(instance, 0, &in, 1, &out, 1); },
      [&] { return argent_set_threads(instance, 3); },
      [&] { return argent_profile(instance, 0); },
      [&] { return argent_trace(instance, nullptr); },
  };
  const Clock::time_point deadline = Clock::now() + std::chrono::seconds(60);
  for (const auto& call : calls) {
    int code = ARGENT_OK;
    while (code == ARGENT_OK && Clock::now() < deadline) code = call();
    CHECK(code == ARGENT_BUSY);
  }
  stop = true;
  owner.join();
  CHECK(failed == 0);
  CHECK(wrong == 0);
  CHECK(argent_run(instance, 0, &in, 1, &out, 1) == ARGENT_OK);
  CHECK(same_bytes(other, wanted[0]));
  CHECK(argent_destroy(instance) == ARGENT_OK);
  CHECK(argent_close(network) == ARGENT_OK);
}

TEST_CASE("the C++ face says what an instance in two threads is about") {
  const Library library;
  ProgramInstance instance = library.program->instance();
  const Array image = sample(library.image, 7);
  std::atomic<bool> stop{false};
  std::string message;
  auto run_until_refused = [&] {
    while (!stop) {
      try {
        instance.run(0, {&image, 1});
      } catch (const CompileError& error) {
        if (!stop.exchange(true)) message = error.what();
      }
    }
  };
  std::thread other(run_until_refused);
  run_until_refused();
  other.join();
  CHECK(message ==
        "error: lenet5: the instance is running in another thread\n"
        "help: make an instance for each thread: they share the weights");
}

namespace {

// The results of two calls, and the state behind them.
std::vector<Array> results_of(const Graph& graph, CompiledGraph& compiled,
                              const std::map<std::string, Array>& first) {
  for (const auto& [name, value] : first) compiled.instance().set(name, value);
  std::vector<Array> inputs, results;
  for (Value leaf : graph.leaves(ops::input))
    inputs.push_back(sample(graph.type(leaf), static_cast<int64_t>(inputs.size()) + 11));
  for (int call = 0; call < 2; ++call)
    for (Array& result : compiled(std::span<const Array>(inputs))) results.push_back(result);
  for (const auto& [name, value] : first) results.push_back(compiled.instance().get(name));
  return results;
}

// Leaves that the graph updates, with their first values.
std::map<std::string, Array> updated(const Graph& graph, const WeightMap& weights) {
  std::map<std::string, Array> values;
  for (const Output& output : graph.outputs())
    if (output.updates) values.emplace(output.name, weights.at(output.name));
  return values;
}

void check_threads(const Graph& graph, const std::vector<Parameter>& parameters) {
  WeightMap weights;
  for (const Parameter& parameter : parameters)
    weights.emplace(parameter.name, sample(parameter.type, static_cast<int64_t>(weights.size())));
  for (auto& [name, value] : weights) {
    if (!is_float(value.dtype())) continue;
    // Small, and variances positive.
    for (int64_t i = 0; i < value.count(); ++i)
      value.set_double(i, 0.05 * (1.5 + value.get_double(i)));
  }
  const ProgramEntry entry{"main", graph};
  const CompiledProgram program =
      compile_graphs("threads", {&entry, 1}, weights, {.lowering = {.winograd = true}});
  CompiledGraph compiled(LoadedProgram::in_memory(on_all_threads(program.program)), 1);
  const std::map<std::string, Array> first = updated(graph, weights);
  const std::vector<Array> wanted = results_of(graph, compiled, first);
  for (int threads : {1, 2, 3, 5, 16}) {
    CAPTURE(threads);
    compiled.instance().set_threads(threads);
    for (int repeat = 0; repeat < 3; ++repeat)
      CHECK(same_bytes(results_of(graph, compiled, first), wanted));
  }
}

}  // namespace

TEST_CASE("results are the same bytes for any number of threads, run after run") {
  for (const char* name :
       {"lenet5", "simple_cnn", "temporal_cnn", "volume_cnn", "resnet20_cifar"}) {
    CAPTURE(std::string(name));
    const Model model = zoo_model(name, 3);
    check_threads(model.forward(), model.parameters());
  }
  for (const char* name : {"lenet5", "simple_cnn"}) {
    CAPTURE(std::string(name));
    const TrainingStep step =
        training_step(zoo_model(name, 3), {.optimizer = sgd(0.1, {.momentum = 0.9})});
    check_threads(step.graph, step.parameters);
  }
}
