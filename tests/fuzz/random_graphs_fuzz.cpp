// Random graphs from the op table: text round trip, passes keep the meaning, gradients equal
// central differences. Seeds are fixed; a failure prints the graph. ARGENT_FUZZ_SCALE=20 in the
// environment runs twenty times as many.
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "ir/ops/all_ops.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "passes/autograd.h"
#include "passes/check.h"
#include "passes/pass.h"
#include "tests/fuzz/random_graph.h"
#include "tests/gradient_check.h"

using namespace ag;

namespace {

unsigned scaled(unsigned count) {
  const char* scale = std::getenv("ARGENT_FUZZ_SCALE");
  return count * (scale ? static_cast<unsigned>(std::max(1, std::atoi(scale))) : 1);
}

const unsigned kPrintedGraphs = scaled(2000);  // so many that every op is in one
const unsigned kGraphs = scaled(400);
const unsigned kDifferentiableGraphs = scaled(60);

// The passes one by one, then the order of the compiler's pipeline.
const char* const kPipelines[] = {
    "simplify",
    "cse",
    "dce",
    "expand",
    "strip_stop_gradient",
    "fold_batch_norm",
    "fast_variance,expand,simplify,cse",
    "join_convolutions",
    "split_taps",
    "scale_weights",
    "simplify,cse,dce,fold_batch_norm,expand,strip_stop_gradient,simplify,cse,dce",
    "default",
    "expand,fuse",
};

std::vector<std::string> differentiable_leaves(const BuiltCase& built) {
  std::vector<std::string> names;
  for (const auto& [name, value] : built.bindings) {
    if (value.dtype == DType::f64) names.push_back(name);
  }
  return names;
}

// Whether two steps give the same central differences: at a kink (a tie of reduce_max, relu at 0)
// they do not, and there is no gradient to compare with.
bool is_smooth(const BuiltCase& built, const std::string& leaf, const ReferenceTensor& difference) {
  ReferenceTensor finer = central_difference(built.graph, built.bindings, "loss", leaf, 3e-6);
  return relative_difference(difference, finer) < 1e-6;
}

}  // namespace

TEST_CASE("random graphs survive a round trip through text") {
  std::set<const OpDef*> seen;
  for (unsigned seed = 0; seed < kPrintedGraphs; ++seed) {
    Graph graph = random_graph(seed).graph;
    std::string text = print(graph);
    if (print(parse(text)) != text) FAIL("seed " << seed << "\n" << text);
    check_invariants(graph, "the generator");
    for (int i = 0; i < graph.size(); ++i) seen.insert(graph.node(i).op);
  }
  for (const OpDef* op : all_ops()) {
    if (op->kind != OpKind::kernel) CHECK_MESSAGE(seen.count(op), op->name << " is in no graph");
  }
}

TEST_CASE("passes keep the meaning of random graphs") {
  for (unsigned seed = 0; seed < kGraphs; ++seed) {
    BuiltCase built = random_graph(seed);
    std::vector<ReferenceTensor> expected = interpret(built.graph, built.bindings);
    for (const char* pipeline : kPipelines) {
      INFO("seed " << seed << ", passes " << std::string(pipeline) << "\n" << print(built.graph));
      Graph after = run_pipeline(built.graph, parse_pipeline(pipeline), {.check_invariants = true});
      std::vector<ReferenceTensor> found = interpret(after, built.bindings);
      CHECK(first_difference(built.graph, expected, after, found) == "");
    }
  }
}

TEST_CASE("gradients of random graphs equal central differences, also after passes") {
  std::vector<PassCall> pipeline =
      parse_pipeline("simplify,cse,dce,expand,strip_stop_gradient,simplify,cse,dce,fuse");
  int checked = 0;
  for (unsigned seed = 0; seed < kDifferentiableGraphs; ++seed) {
    BuiltCase built = random_graph(seed, {.rows = 4, .differentiable = true});
    if (built.graph.outputs().empty()) continue;
    std::vector<std::string> leaves = differentiable_leaves(built);
    Graph gradients = grad(built.graph, {.with_respect_to = leaves});
    Graph optimised = run_pipeline(gradients, pipeline, {.check_invariants = true});
    std::vector<ReferenceTensor> found = interpret(gradients, built.bindings);
    INFO("seed " << seed << "\n" << print(built.graph));
    CHECK(first_difference(gradients, found, optimised, interpret(optimised, built.bindings)) ==
          "");
    for (size_t i = 0; i < leaves.size(); ++i) {
      CAPTURE(leaves[i]);
      ReferenceTensor expected = central_difference(built.graph, built.bindings, "loss", leaves[i]);
      if (!is_smooth(built, leaves[i], expected)) continue;
      CHECK(relative_difference(found[1 + i], expected) < 1e-6);
      ++checked;
    }
  }
  CHECK(checked > 50);
}
