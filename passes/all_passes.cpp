#include "passes/fuse.h"
#include "passes/pass.h"
#include "passes/passes.h"

namespace ag {
namespace {

constexpr PassParameter kGradParameters[] = {
    {"of", "output to differentiate (loss)"},
    {"with_respect_to", "leaves, as a list; all parameters if not given"},
    {"prefix", "of the new outputs' names (grad.)"},
};
constexpr PassParameter kFuseParameters[] = {
    {"joins", "false: a kernel for each op (true)"},
};
constexpr PassParameter kExpandParameters[] = {
    {"only", "composites to write out, as a list"},
    {"keep", "composites to leave whole, as a list"},
};

Graph run_grad(const Graph& graph, const PassOptions& options) {
  return grad(graph, {options.text("of", "loss"), options.list("with_respect_to"),
                      options.text("prefix", "grad.")});
}

Graph run_expand(const Graph& graph, const PassOptions& options) {
  return expand_composites(graph, {options.list("only"), options.list("keep")});
}

Graph run_fuse(const Graph& graph, const PassOptions& options) {
  return fuse(graph, {.joins = options.flag("joins", true)});
}

// A pass without parameters.
template <Graph (*function)(const Graph&)>
Graph run(const Graph& graph, const PassOptions&) {
  return function(graph);
}

constexpr Pass kPasses[] = {
    {"simplify", "rewrite locally: identities, views of views, known values", run<simplify>},
    {"cse", "merge nodes that compute the same", run<cse>},
    {"dce", "remove nodes no output depends on", run<dce>},
    {"grad", "append the gradient of an output", run_grad, kGradParameters},
    {"strip_stop_gradient", "drop stop_gradient after the last differentiation",
     run<strip_stop_gradient>},
    {"fold_batch_norm", "inference batch norm into the weights of the convolution before it",
     run<fold_batch_norm>},
    {"fast_variance", "statistics of batch norm in one reading", run<fast_variance>},
    {"join_convolutions", "make a sum of convolutions one convolution of more channels",
     run<join_convolutions>},
    {"split_taps", "sum the taps of convolutions that mostly meet padding", run<split_taps>},
    {"scale_weights", "scale weights of 1x1 convolutions in the place of channels",
     run<scale_weights>},
    {"expand", "write composites out in primitives", run_expand, kExpandParameters},
    {"fuse", "group primitives into kernels", run_fuse, kFuseParameters},
};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

}  // namespace ag
