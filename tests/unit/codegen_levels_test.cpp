// Real kernels for every target: no instruction above the declared level, and right results where
// the code can run, here or under qemu.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "codegen/compile.h"
#include "codegen/link/bake.h"
#include "codegen/link/emit.h"
#include "frontend/weights/npy.h"
#include "frontend/zoo/zoo.h"
#include "ir/interpret.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/softmax.h"
#include "ir/ops/view.h"
#include "ir/ops/window.h"
#include "tests/unit/instruction_level.h"

using namespace ag;
using namespace ag::test;

namespace {

Array ramp(const TensorType& type) {
  Array array(type.dtype, type.shape);
  for (int64_t i = 0; i < array.count(); ++i) {
    array.set_double(i, static_cast<double>(i * 7919 % 2003) / 1001.5 - 1);
  }
  return array;
}

// Functions, reductions, windows, casts: what a level's instructions are chosen for.
Graph mixed_graph() {
  Graph graph("mixed");
  Tensor x = input(graph, "x", f32(2, 19, 12, 11));
  Tensor w = parameter(graph, "w", f32(11));
  Tensor y = tanh(x) * exp(-x * x) + log(abs(x) + 1.0) * w;
  Tensor narrow = cast(cast(y * 20.0, DType::i8), DType::f32);
  Tensor half = cast(cast(y, DType::f16), DType::f32) + cast(cast(y, DType::bf16), DType::f32);
  Tensor pooled = max_pool(y + narrow + half, {.window = {3, 3}, .stride = {2, 2}});
  graph.add_output("rows", softmax(reshape(pooled, {2, 19, 25}), 2).value());
  return graph;
}

// A folder of this test's own, removed at its end.
struct Folder {
  Folder()
      : path(std::filesystem::temp_directory_path() / fmt::format("argent-levels-{}", getpid())) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::filesystem::path path;
};

bool succeeds(const std::string& command) { return std::system(command.c_str()) == 0; }

// What runs a program for the target here; false when nothing does.
bool find_runner(const Target& target, std::string& runner) {
  if (is_runnable(target)) return true;
  runner = "qemu-aarch64 -L /usr/aarch64-linux-gnu ";
  return target.architecture == Architecture::aarch64 &&
         succeeds("qemu-aarch64 --version >/dev/null 2>&1");
}

void check_close(const Array& got, const ReferenceTensor& want, double tolerance) {
  REQUIRE(got.count() == want.count());
  double largest = 1e-30, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    largest = std::max(largest, std::fabs(want.number(i)));
    const double error = std::fabs(got.get_double(i) - want.number(i));
    worst = std::isnan(error) ? error : std::max(worst, error);
  }
  CHECK(worst <= tolerance * largest);
}

// The program's output for ramps, as a standalone executable.
void check_executable(const plan::Program& program, const std::string& runner,
                      const TensorType& input, const ReferenceTensor& want, double tolerance) {
  const Folder folder;
  emit_file(program, EmitKind::executable, folder.file("net"));
  write_npy(folder.file("in.npy"), ramp(input));
  REQUIRE(succeeds(fmt::format("{}{} {} {}", runner, folder.file("net"), folder.file("in.npy"),
                               folder.file("out.npy"))));
  check_close(read_npy(folder.file("out.npy")), want, tolerance);
}

// Compiles a graph of one input and one output for every target.
void check_levels(const Graph& graph, const std::map<std::string, Array>& weights,
                  double tolerance) {
  Bindings bindings;
  TensorType input_type;
  for (const auto& [name, value] : weights) bindings[name] = ReferenceTensor::from(value);
  for (int i = 0; i < graph.size(); ++i) {
    if (!graph.is_leaf({i, 0}, ops::input)) continue;
    input_type = graph.type({i, 0});
    bindings[graph.leaf_name({i, 0})] = ReferenceTensor::from(ramp(input_type));
  }
  const ReferenceTensor want = interpret(graph, bindings).at(0);
  for (const Target& target : known_targets()) {
    if (target.is_cuda()) continue;
    CAPTURE(target.name);
    const ProgramEntry entry{"main", graph};
    const CompiledProgram compiled =
        compile_graphs("net", {&entry, 1}, weights, {.target = std::string(target.name)});
    for (const auto& [symbol, object] : compiled.program.kernels) {
      CAPTURE(symbol);
      CHECK(instructions_above(*object, target) == std::vector<std::string>{});
    }
    std::string runner;
    if (find_runner(target, runner)) {
      check_executable(bake_weights(compiled.program), runner, input_type, want, tolerance);
    }
  }
}

}  // namespace

TEST_CASE("functions, reductions, windows and casts stay within every level") {
  const Graph graph = mixed_graph();
  check_levels(graph, {{"w", ramp(f32(11))}}, 2e-3);  // the casts round
}

TEST_CASE("a convolutional network stays within every level") {
  Model model = zoo_model("lenet5", 3);
  model.initialize(7);
  check_levels(model.forward(), model.weights(), 1e-4);
}
