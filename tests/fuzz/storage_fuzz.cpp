// Concats and slices of channels, and reshapes, as views of one buffer: random networks through
// layout × fusion, planned for every level of processor and run by the plan interpreter, then some
// of them compiled. Seeds are fixed; a failure prints the graph. ARGENT_FUZZ_SCALE=20 runs twenty
// times as many.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "ir/ops/contract.h"
#include "ir/ops/conv.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/ops/window.h"
#include "ir/print.h"
#include "passes/autograd.h"
#include "tests/all_threads.h"
#include "tests/plan_interpreter.h"

using namespace ag;

namespace {

const char* const kTargets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "cuda-sm_80"};

unsigned scaled(unsigned count) {
  const char* scale = std::getenv("ARGENT_FUZZ_SCALE");
  return count * (scale ? static_cast<unsigned>(std::max(1, std::atoi(scale))) : 1);
}

// Images of one height and width and any number of channels, through convolutions, pooling,
// elementwise ops, concats, slices, and matrix products of rows of pixels.
class RandomNetwork {
 public:
  RandomNetwork(unsigned seed, int ops, bool trains)
      : random_(seed), graph_("storage" + std::to_string(seed)) {
    batch_ = 1 + static_cast<int64_t>(below(2));
    if (!trains && below(3) == 0) height_ = 12, width_ = 11;
    values_.push_back(input(graph_, "x", f32(batch_, 16, height_, width_)));
    for (int i = 0; i < ops; ++i) values_.push_back(next());
    if (trains) {
      Tensor loss = reduce_mean(square(values_.back()), {0, 1, 2, 3});
      for (int i = 0; i < 3; ++i) loss = loss + reduce_mean(square(any()), {0, 1, 2, 3});
      graph_.add_output("loss", loss.value());
      graph_ = grad(graph_);
      return;
    }
    graph_.add_output("last", values_.back().value());
    for (int i = 0; i < 2; ++i) {
      Tensor more = any();
      if (more.value().node > 0) graph_.add_output("y" + std::to_string(i), more.value());
    }
  }
  Graph take() { return std::move(graph_); }

 private:
  size_t below(size_t limit) { return random_() % limit; }
  static Tensor square(Tensor x) { return x * x; }

  // Late values more often, so that networks grow deep.
  Tensor any() {
    const size_t last = values_.size();
    return values_[last - 1 - std::min(last - 1, below(last) * below(3) / 2)];
  }

  Tensor next() {
    switch (below(9)) {
      case 0:
      case 1: return convolved(any());
      case 2: return relu(any() * 0.5 + 0.1);
      case 3: return max_pool(any(), {.window = {3, 3}, .stride = {1, 1}, .padding = {1, 1, 1, 1}});
      case 4: return sliced(any());
      case 5: return normalised(any());
      case 6: return attended(any());
      default: return joined();
    }
  }

  Tensor leaf(const Shape& shape) {
    const std::string name = "w" + std::to_string(++leaves_);
    return parameter(graph_, name, TensorType{DType::f32, shape});
  }

  Tensor convolved(Tensor x) {
    constexpr int64_t kChannels[] = {16, 32, 48, 16, 32, 24, 5, 8};
    const int64_t taps = below(2) == 0 ? 1 : 3, low = taps / 2;
    return conv(x, leaf({kChannels[below(8)], x.channels(), taps, taps}),
                {.padding = {low, low, low, low}});
  }

  // Norm, activation and a convolution, as in DenseNet, or the norm alone.
  Tensor normalised(Tensor x) {
    Tensor y = x * broadcast(leaf({x.channels()}), x.shape(), {1});
    if (below(3) == 0) return y;
    return convolved(relu(y + broadcast(leaf({x.channels()}), x.shape(), {1})));
  }

  // Products of the same elements as one matrix and as one for each image.
  Tensor attended(Tensor x) {
    const int64_t pixels = height_ * width_, channels = x.channels();
    Tensor rows = reshape(x, {batch_ * channels, pixels});
    rows = matmul(rows, leaf({pixels, pixels}));
    if (below(2) == 0)
      rows = rows / (1.0 + broadcast(reduce_sum(square(rows), {1}), rows.shape(), {0}));
    Tensor images = reshape(rows, {batch_, channels, pixels});
    if (below(2) == 0) {
      images = matmul(matmul(images, images, {.transpose_b = true}) * 0.01, images);
    }
    return reshape(images, x.shape());
  }

  Tensor sliced(Tensor x) {
    const int64_t unit = below(4) == 0 ? 1 : std::min<int64_t>(16, x.channels());
    const int64_t units = x.channels() / unit;
    const int64_t first = static_cast<int64_t>(below(units));
    const int64_t count = 1 + static_cast<int64_t>(below(units - first));
    return slice(x, {0, first * unit, 0, 0}, {batch_, (first + count) * unit, height_, width_});
  }

  Tensor joined() {
    std::vector<Tensor> parts{any()};
    const size_t more = 1 + below(3);
    for (size_t i = 0; i < more && parts[0].channels() < 100; ++i) parts.push_back(any());
    if (below(10) == 0) {
      parts.push_back(broadcast(leaf({16}), {batch_, 16, height_, width_}, {1}));
    }
    return concat(parts, 1);
  }

  std::mt19937 random_;
  int64_t batch_ = 1, height_ = 5, width_ = 4;
  Graph graph_;
  std::vector<Tensor> values_;
  int leaves_ = 0;
};

// Values that differ from element to element, small enough that sums of them stay near 1.
Bindings bindings_of(const Graph& graph, int seed) {
  Bindings bindings;
  for (int i = 0; i < graph.size(); ++i) {
    if (graph.node(i).op->kind != OpKind::leaf) continue;
    const TensorType& type = graph.type({i, 0});
    ReferenceTensor value(type.dtype, type.shape);
    const double scale = graph.is_leaf({i, 0}, ops::input) || type.rank() == 1
                             ? 1
                             : 2 / std::sqrt(static_cast<double>(value.count() / type.shape[0]));
    for (int64_t k = 0; k < value.count(); ++k) {
      const int64_t ramp = (k * 7919 + (i + seed) * 104729) % 2003;
      value.floats[k] = scale * (static_cast<double>(ramp) / 1001.5 - 1);
    }
    bindings[graph.leaf_name({i, 0})] = value;
  }
  return bindings;
}

double difference(const ReferenceTensor& found, const ReferenceTensor& wanted) {
  double largest = 1e-30, worst = 0;
  for (int64_t i = 0; i < wanted.count(); ++i) {
    largest = std::max(largest, std::fabs(wanted.number(i)));
    const double gap = std::fabs(found.number(i) - wanted.number(i));
    worst = std::isnan(gap) ? INFINITY : std::max(worst, gap);
  }
  return worst / largest;
}

// The caller's memory is uploaded and downloaded; nothing else touches it.
void check_device_memory(const plan::Program& program) {
  for (const plan::Step& step : program.entries.at(0).steps) {
    const bool transfers =
        step.routine == plan::Routine::upload || step.routine == plan::Routine::download;
    int callers = 0;
    for (int index : step.buffers) {
      const plan::Storage storage = program.buffers[index].storage;
      callers += storage == plan::Storage::input || storage == plan::Storage::output;
    }
    CAPTURE(step.name);
    CHECK(callers == (transfers ? 1 : 0));
  }
}

void check_plan(const Graph& graph, const Target& target, int seed) {
  const Graph kernels = lower_to_kernels(graph, target);
  const plan::EntryGraph entry{"main", &kernels};
  const plan::ProgramPlan plan = plan::plan_program("random", target, {&entry, 1});
  if (target.is_cuda()) check_device_memory(plan.program);
  const Bindings bindings = bindings_of(graph, seed);
  const std::vector<ReferenceTensor> wanted = interpret(graph, bindings);
  PlanInterpreter program(plan, bindings);
  for (int run = 0; run < 2; ++run) {  // what one run leaves in the arena must not matter
    program.run();
    CHECK(program.complaint() == "");
    for (size_t i = 0; i < wanted.size(); ++i) {
      CAPTURE(graph.outputs()[i].name);
      CHECK(difference(program.value(graph.outputs()[i].name), wanted[i]) < 1e-9);
    }
  }
  CHECK(plan.memory[0].arena_bytes <= plan.memory[0].lower_bound * 5 / 4);
}

void check_compiled(const Graph& graph, const std::string& target, int seed) {
  const Bindings bindings = bindings_of(graph, seed);
  std::map<std::string, Array> weights;
  std::vector<Array> inputs;
  for (const auto& [name, value] : bindings) {
    if (graph.is_leaf(graph.find_leaf(name), ops::input)) {
      inputs.push_back(value.to_array());
    } else {
      weights.emplace(name, value.to_array());
    }
  }
  const ProgramEntry entry{"main", graph};
  const CompiledProgram compiled =
      compile_graphs("random", {&entry, 1}, weights, {.target = target});
  ProgramInstance instance =
      LoadedProgram::in_memory(on_all_threads(compiled.program))->instance(2);
  const std::vector<ReferenceTensor> wanted = interpret(graph, bindings);
  for (int run = 0; run < 2; ++run) {
    const std::vector<Array> found = instance.run(0, inputs);
    for (size_t i = 0; i < wanted.size(); ++i) {
      CAPTURE(graph.outputs()[i].name);
      CHECK(difference(ReferenceTensor::from(found[i]), wanted[i]) < 2e-5);
    }
  }
}

}  // namespace

TEST_CASE("plans of random networks with concats and slices compute what the interpreter does") {
  const unsigned networks = scaled(90);
  for (unsigned seed = 0; seed < networks; ++seed) {
    const bool trains = seed % 4 == 3;
    const Graph graph = RandomNetwork(seed, trains ? 7 : 14, trains).take();
    INFO("seed " << seed << "\n" << print(graph));
    check_plan(graph, find_target(kTargets[seed % std::size(kTargets)]), static_cast<int>(seed));
  }
}

TEST_CASE("random networks with concats and slices, compiled") {
  const unsigned networks = scaled(8);
  for (unsigned seed = 1000; seed < 1000 + networks; ++seed) {
    const bool trains = seed % 4 == 3;
    const Graph graph = RandomNetwork(seed, trains ? 6 : 10, trains).take();
    INFO("seed " << seed << "\n" << print(graph));
    const std::string host(host_target().name);
    check_compiled(graph, seed % 2 == 0 ? host : "x86-64-v3", static_cast<int>(seed));
  }
}
