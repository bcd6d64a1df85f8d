#include "tests/fuzz/compiled_graph.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "codegen/schedule/layout_model.h"
#include "codegen/schedule/sum_model.h"
#include "frontend/weights/safetensors.h"
#include "ir/file.h"
#include "ir/ops/kernel.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "passes/algorithm.h"
#include "passes/autograd.h"
#include "passes/copy.h"
#include "passes/fuse.h"
#include "passes/fusion_groups.h"
#include "passes/storage.h"
#include "tests/all_threads.h"
#include "tests/fuzz/random_graph.h"

namespace ag {
namespace {

constexpr int kRows = 3;
constexpr int kDifferentiableRows = 2;
constexpr int kThreads = 2;
constexpr const char* kLayouts[] = {"row-major", "of the target", "random"};  // Layouts

// ---- lowering ----

// Winograd's algorithm wherever it can compute a convolution.
class Everywhere : public AlgorithmModel {
 public:
  explicit Everywhere(int64_t tile) : tile_(tile) {}
  int64_t winograd_tile(const Graph&, const Node&, bool) const override { return tile_; }
  int64_t winograd_weights_tile(const Graph&, const Node&) const override { return tile_; }

 private:
  int64_t tile_;
};

// No kernel asks for anything: all values stay as leaves and outputs are.
class RowMajor : public LayoutModel {
 public:
  LayoutDemands demands(const Graph& body, std::string_view) const override {
    return {std::vector<std::optional<Layout>>(body_leaves(body).size()),
            std::vector<std::optional<Layout>>(body.outputs().size())};
  }
  bool follows(std::string_view) const override { return true; }
  bool tests_border(const Graph&, size_t) const override { return true; }
};

// Each kernel asks for something else, the same whenever it is asked.
class RandomLayouts : public LayoutModel {
 public:
  explicit RandomLayouts(unsigned seed) : seed_(seed) {}

  LayoutDemands demands(const Graph& body, std::string_view) const override {
    std::mt19937 random(seed_ ^ static_cast<unsigned>(std::hash<std::string>()(print(body))));
    LayoutDemands demands;
    for (Value leaf : body_leaves(body))
      demands.operands.push_back(layout(random, body.type(leaf).rank()));
    for (const Output& output : body.outputs())
      demands.results.push_back(layout(random, body.type(output.value).rank()));
    return demands;
  }
  bool follows(std::string_view kernel_class) const override { return kernel_class == "pointwise"; }
  bool tests_border(const Graph&, size_t) const override { return seed_ % 2 == 0; }

 private:
  static std::optional<Layout> layout(std::mt19937& random, int rank) {
    const unsigned kind = random() % 4;
    if (kind == 0 || rank == 0) return std::nullopt;
    const int axis = static_cast<int>(random() % static_cast<unsigned>(rank));
    if (kind == 1) return Layout::blocked(rank, axis, int64_t{4} << random() % 3);
    std::vector<int> order(static_cast<size_t>(rank));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    return kind == 2 ? Layout::permuted(order) : Layout();
  }

  unsigned seed_;
};

// Every primitive a kernel of its own.
Graph kernels_apart(const Graph& graph) {
  FusionGroups groups;
  groups.roots.resize(static_cast<size_t>(graph.size()));
  groups.anchor.assign(static_cast<size_t>(graph.size()), -1);
  for (int i = 0; i < graph.size(); ++i) {
    const FusionRole role = fusion_role(graph.node(i));
    if (role == FusionRole::leaf) continue;
    groups.roots[static_cast<size_t>(i)] = {i};
    if (role == FusionRole::anchor || role == FusionRole::reduction)
      groups.anchor[static_cast<size_t>(i)] = i;
    groups.kernels.push_back({i});
  }
  return build_kernels(graph, groups);
}

Graph laid_out(const Graph& kernels, const Combination& combination, unsigned seed) {
  switch (combination.layouts) {
    case Combination::Layouts::row_major: return assign_layouts(kernels, RowMajor());
    case Combination::Layouts::random: return assign_layouts(kernels, RandomLayouts(seed));
    default: return assign_layouts(kernels, CpuLayoutModel(host_target()));
  }
}

Graph lowered(const Graph& graph, const Combination& combination, unsigned seed) {
  const size_t fusion = kDefaultPipeline.rfind(',');
  Graph primitives = run_pipeline(graph, parse_pipeline(kDefaultPipeline.substr(0, fusion)));
  if (combination.winograd_tile != 0) {
    primitives = run_pipeline(choose_algorithms(primitives, Everywhere(combination.winograd_tile)),
                              parse_pipeline("cse,dce"));
  }
  Graph kernels = combination.fused ? fuse(primitives) : kernels_apart(primitives);
  if (combination.fused) kernels = join_sums(kernels, CpuSumModel(host_target(), 0));
  return share_storage(laid_out(kernels, combination, seed));
}

// ---- what rounding may change ----

// Larger than what a kernel's own rounding changes in a value.
double disturbance(DType dtype) {
  switch (dtype) {
    case DType::f16: return 0x1p-10;
    case DType::bf16: return 0x1p-7;
    case DType::f32: return 0x1p-20;
    default: return 0x1p-48;
  }
}

// Ops whose results are operands of theirs, or as exact: nothing is rounded.
constexpr std::string_view kExact[] = {
    "full",          "iota",       "negate",      "abs",        "sign",       "relu",
    "floor",         "ceil",       "round",       "maximum",    "minimum",    "select",
    "stop_gradient", "broadcast",  "reshape",     "transpose",  "slice",      "pad",
    "concat",        "reverse",    "to_layout",   "reduce_max", "reduce_min", "max_pool",
    "window_gather", "take_along", "gather_rows", "clip"};

bool is_exact(const OpDef& op) {
  return std::find(std::begin(kExact), std::end(kExact), op.name) != std::end(kExact);
}

// The graph with each float that it computes multiplied by a number near 1 of its own: where that
// changes a result (a comparison of neighbours, a rounding to integers), rounding may.
class Disturbed {
 public:
  Disturbed(const Graph& graph, const Bindings& bindings, unsigned seed)
      : bindings_(bindings), random_(seed), graph_(disturbed(graph)) {}

  std::vector<ReferenceTensor> run() const { return interpret(graph_, bindings_); }

 private:
  Graph disturbed(const Graph& graph) {
    GraphCopy copy(graph);
    for (int i = 0; i < graph.size(); ++i) {
      const int fresh = copy.node(i);
      if (graph.node(i).op->kind == OpKind::leaf || is_exact(*graph.node(i).op)) continue;
      for (size_t r = 0; r < graph.node(i).types.size(); ++r) {
        const Value old{i, static_cast<int>(r)};
        const TensorType& type = graph.type(old);
        if (!is_float(type.dtype) || type.count() == 0 || !type.layout.is_row_major()) continue;
        const Tensor value(copy.graph(), Value{fresh, static_cast<int>(r)});
        copy.replace(old, value * factor(copy.graph(), type, fmt::format("noise.{}.{}", i, r)));
      }
    }
    return copy.finish();
  }

  Tensor factor(Graph& graph, const TensorType& type, const std::string& name) {
    ReferenceTensor values(type.dtype, type.shape);
    std::uniform_real_distribution<double> noise(-disturbance(type.dtype), disturbance(type.dtype));
    for (double& value : values.floats) value = 1 + noise(random_);
    bindings_.emplace(name, std::move(values));
    return {graph, graph.add_leaf(ops::input, name, type, {})};
  }

  Bindings bindings_;
  std::mt19937 random_;
  Graph graph_;
};

// ---- comparing ----

struct Expected {
  std::vector<ReferenceTensor> results;
  std::vector<std::vector<ReferenceTensor>> disturbed;  // several runs
  double allowed = 0;                                   // relative to the largest element, or 1
};

// What one result has wrong; empty: nothing.
std::string difference(const Array& got, const Expected& expected, size_t result) {
  constexpr double kMargin = 8;  // of the disturbances seen
  const ReferenceTensor& want = expected.results[result];
  if (got.count() != want.count()) return fmt::format("{} elements", got.count());
  double largest = 1;
  for (int64_t i = 0; i < want.count(); ++i) largest = std::max(largest, std::fabs(want.number(i)));
  for (int64_t i = 0; i < want.count(); ++i) {
    const double wanted = want.number(i);
    double spread = 0;
    for (const auto& run : expected.disturbed)
      spread = std::max(spread, std::fabs(run[result].number(i) - wanted));
    const bool exact = !is_float(want.dtype);
    if (!std::isfinite(wanted) || !std::isfinite(spread) || (exact && spread > 0)) continue;
    const double found = exact ? static_cast<double>(got.get_int(i)) : got.get_double(i);
    const double allowed = exact ? 0 : expected.allowed * largest + kMargin * spread;
    if (std::fabs(found - wanted) <= allowed) continue;
    return fmt::format("element {} is {}, not {} (± {:.2g})", i, found, wanted, allowed);
  }
  return "";
}

bool has_op(const Graph& kernels, std::string_view name) {
  for (int i = 0; i < kernels.size(); ++i) {
    if (!kernels.node(i).is(ops::kernel)) continue;
    const Graph& body = kernels.node(i).attributes.graph("body");
    for (int j = 0; j < body.size(); ++j)
      if (body.node(j).op->name == name) return true;
  }
  return false;
}

bool has_f32(const Graph& graph) {
  for (int i = 0; i < graph.size(); ++i)
    for (const TensorType& type : graph.node(i).types)
      if (type.dtype == DType::f32) return true;
  return false;
}

// ---- one graph ----

struct Subject {
  FuzzCase drawn;  // leaves' names begin with the seed's, so that graphs share none
  Graph kernels;

  std::string name() const { return fmt::format("seed{}", drawn.seed); }
};

// Leaves of another name, and values as the compiled program reads them.
BuiltCase renamed(const BuiltCase& built, const std::string& prefix) {
  GraphCopy copy(built.graph);
  Bindings bindings;
  for (int i = 0; i < built.graph.size(); ++i) {
    const Node& node = built.graph.node(i);
    if (node.op->kind != OpKind::leaf || node.is(ops::constant)) {
      copy.node(i);
      continue;
    }
    const std::string& name = built.graph.leaf_name({i, 0});
    bindings.emplace(prefix + name, ReferenceTensor::from(built.bindings.at(name).to_array()));
    copy.replace({i, 0}, copy.graph().add_leaf(*node.op, prefix + name, node.types[0], {}));
  }
  return {copy.finish(), std::move(bindings)};
}

// A loss and its gradients; without a loss the graph itself.
BuiltCase with_gradients(BuiltCase built) {
  std::vector<std::string> leaves;
  for (const auto& [name, value] : built.bindings)
    if (value.dtype == DType::f32) leaves.push_back(name);
  if (!built.graph.outputs().empty() && !leaves.empty())
    built.graph = grad(built.graph, {.with_respect_to = leaves});
  return built;
}

Subject subject_of(FuzzCase drawn) {
  drawn.built = renamed(drawn.built, fmt::format("seed{}.", drawn.seed));
  Graph kernels = lowered(drawn.built.graph, drawn.combination, drawn.seed);
  return {std::move(drawn), std::move(kernels)};
}

Expected expected_of(const Subject& subject) {
  constexpr unsigned kDisturbedRuns = 6;  // two values that tie change places in one of them
  const auto& [graph, bindings] = subject.drawn.built;
  Expected expected;
  expected.results = interpret(graph, bindings);
  const Graph primitives = run_pipeline(graph, parse_pipeline("expand"));
  for (unsigned run = 0; run < kDisturbedRuns; ++run) {
    expected.disturbed.push_back(
        Disturbed(primitives, bindings, subject.drawn.seed * kDisturbedRuns + run).run());
  }
  expected.allowed = has_op(subject.kernels, "winograd_conv") ? 5e-4
                     : has_f32(graph)                         ? 1e-5
                                                              : 1e-12;
  return expected;
}

std::string check_run(const Subject& subject, ProgramInstance& instance, int entry) {
  const auto& [graph, bindings] = subject.drawn.built;
  std::vector<Array> inputs;
  for (Value leaf : graph.leaves(ops::input))
    inputs.push_back(bindings.at(graph.leaf_name(leaf)).to_array());
  instance.run(entry, inputs);
  // Once more, with what the first run left in the arena.
  const std::vector<Array> got = instance.run(entry, inputs);
  const Expected expected = expected_of(subject);
  for (size_t i = 0; i < got.size(); ++i) {
    const std::string found = difference(got[i], expected, i);
    if (!found.empty()) return graph.outputs()[i].name + ": " + found;
  }
  return "";
}

std::string heading(const FuzzCase& drawn) {
  return fmt::format("seed {}: {}", drawn.seed, drawn.combination.text());
}

CompiledGraphFailure failure_of(const FuzzCase& drawn, const std::string& what) {
  return {drawn.seed, fmt::format("{}: {}\n{}", heading(drawn), what, print(drawn.built.graph))};
}

std::vector<CompiledGraphFailure> check_subjects(std::span<const Subject> subjects) {
  std::vector<CompiledGraphFailure> failures;
  std::vector<ProgramEntry> entries;
  std::map<std::string, Array> weights;
  for (const Subject& subject : subjects) {
    entries.push_back({subject.name(), subject.kernels});
    for (const auto& [name, value] : subject.drawn.built.bindings) weights[name] = value.to_array();
  }
  try {
    const CompiledProgram compiled = compile_kernel_graphs("fuzz", entries, weights);
    ProgramInstance instance =
        LoadedProgram::in_memory(on_all_threads(compiled.program))->instance(kThreads);
    for (size_t i = 0; i < subjects.size(); ++i) {
      const std::string wrong = check_run(subjects[i], instance, static_cast<int>(i));
      if (!wrong.empty()) failures.push_back(failure_of(subjects[i].drawn, wrong));
    }
  } catch (const std::exception& error) {
    if (subjects.size() == 1) return {failure_of(subjects[0].drawn, error.what())};
    failures.clear();
    for (const Subject& subject : subjects) {
      for (CompiledGraphFailure& failure : check_subjects({&subject, 1}))
        failures.push_back(std::move(failure));
    }
  }
  return failures;
}

}  // namespace

Combination Combination::of_seed(unsigned seed) {
  std::mt19937 random(seed + 1'000'003);
  Combination combination;
  combination.fused = random() % 3 != 0;
  combination.layouts = static_cast<Layouts>(random() % 3);
  combination.winograd_tile = static_cast<int64_t>(random() % 3) * 2;
  combination.gradients = random() % 4 == 0;
  return combination;
}

std::string Combination::text() const {
  return fmt::format("{}, layouts {}, winograd {}{}", fused ? "fused" : "apart",
                     kLayouts[static_cast<size_t>(layouts)], winograd_tile,
                     gradients ? ", gradients" : "");
}

Combination Combination::of_text(const std::string& text) {
  for (unsigned bits = 0; bits < 36; ++bits) {
    Combination combination;
    combination.fused = bits % 2 != 0;
    combination.gradients = bits / 2 % 2 != 0;
    combination.layouts = static_cast<Layouts>(bits / 4 % 3);
    combination.winograd_tile = bits / 12 * 2;
    if (combination.text() == text) return combination;
  }
  throw CompileError(fmt::format("no way of compiling is called '{}'", text));
}

FuzzCase fuzz_case(unsigned seed) {
  const Combination combination = Combination::of_seed(seed);
  if (!combination.gradients) return {seed, combination, random_graph(seed, {.rows = kRows})};
  return {
      seed, combination,
      with_gradients(random_graph(
          seed, {.rows = kDifferentiableRows, .differentiable = true, .float_type = DType::f32}))};
}

void keep_case(const FuzzCase& one, const std::string& path) {
  WeightMap values;
  for (const auto& [name, value] : one.built.bindings) values[name] = value.to_array();
  write_file(path + ".ag", "# " + heading(one) + "\n" + print(one.built.graph));
  write_safetensors(path + ".safetensors", values);
}

FuzzCase kept_case(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path + ".ag");
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t colon = text.find(": ");
  FuzzCase one;
  if (std::sscanf(text.c_str(), "# seed %u:", &one.seed) != 1)
    throw CompileError(path + ".ag: the first line is no '# seed N: COMBINATION'");
  one.combination = Combination::of_text(text.substr(colon + 2, text.find('\n') - colon - 2));
  one.built.graph = parse(text, path + ".ag");
  for (const auto& [name, value] : read_safetensors(path + ".safetensors").tensors)
    one.built.bindings.emplace(name, ReferenceTensor::from(value));
  return one;
}

std::vector<CompiledGraphFailure> check_compiled_graphs(std::vector<FuzzCase> cases) {
  std::vector<CompiledGraphFailure> failures;
  std::vector<Subject> subjects;
  for (FuzzCase& drawn : cases) {
    try {
      subjects.push_back(subject_of(drawn));
    } catch (const std::exception& error) {
      failures.push_back(failure_of(drawn, error.what()));
    }
  }
  for (CompiledGraphFailure& failure : check_subjects(subjects))
    failures.push_back(std::move(failure));
  return failures;
}

}  // namespace ag
