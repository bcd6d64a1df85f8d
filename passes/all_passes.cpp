#include "passes/pass.h"
#include "passes/passes.h"

namespace ag {
namespace {

constexpr PassParameter kGradParameters[] = {
    {"of", "output to differentiate (loss)"},
    {"with_respect_to", "leaves, as a list; all parameters if not given"},
};
constexpr PassParameter kExpandParameters[] = {
    {"only", "composites to write out, as a list"},
    {"keep", "composites to leave whole, as a list"},
};

Graph run_grad(const Graph& graph, const PassOptions& options) {
  return grad(graph, {options.text("of", "loss"), options.list("with_respect_to")});
}

Graph run_expand(const Graph& graph, const PassOptions& options) {
  return expand_composites(graph, {options.list("only"), options.list("keep")});
}

// A pass without parameters.
template <Graph (*function)(const Graph&)>
Graph run(const Graph& graph, const PassOptions&) {
  return function(graph);
}

constexpr Pass kPasses[] = {
    {"cse", "merge nodes that compute the same", run<cse>},
    {"dce", "remove nodes no output depends on", run<dce>},
    {"grad", "append the gradient of an output", run_grad, kGradParameters},
    {"strip_stop_gradient", "drop stop_gradient after the last differentiation",
     run<strip_stop_gradient>},
    {"expand", "write composites out in primitives", run_expand, kExpandParameters},
};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

}  // namespace ag
