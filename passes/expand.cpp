// expand: composites written out
//
// Replaces composites by their expansions, composites inside these too, until primitives are left.
// Operands are shared, names of outputs stay, and every node stands where its composite stood.
//
//   %1: f32[8,10] = relu6(%x)     =>    %1: f32[8,10] = full(value=0)
//   return y=%1                         …
//                                       %4: f32[8,10] = minimum(%2, %3)
//                                       return y=%4
//
// expand{only=[softmax]} writes out those alone, expand{keep=[softmax]} all but those. Common
// subexpressions between expansions are left to cse.
#include "ir/expand.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/ops/all_ops.h"
#include "ir/suggestion.h"
#include "passes/copy.h"
#include "passes/passes.h"

namespace ag {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_names(const std::vector<std::string>& names) {
  std::vector<std::string> composites;
  for (const OpDef* op : all_ops()) {
    if (op->kind == OpKind::composite) composites.emplace_back(op->name);
  }
  for (const std::string& name : names) {
    if (contains(composites, name)) continue;
    throw CompileError(fmt::format("expand: there is no composite '{}'", name))
        .help(name_help(name, composites, "composites"));
  }
}

bool chosen(const Node& node, const ExpandOptions& options) {
  return node.op->expand && (options.only.empty() || contains(options.only, node.op->name)) &&
         !contains(options.keep, node.op->name);
}

bool any_chosen(const Graph& graph, const ExpandOptions& options) {
  for (int i = 0; i < graph.size(); ++i) {
    if (chosen(graph.node(i), options)) return true;
  }
  return false;
}

Graph expand_once(const Graph& graph, const ExpandOptions& options) {
  GraphCopy copy(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!chosen(node, options)) {
      copy.node(i);
      continue;
    }
    std::vector<Tensor> results = expand(node, copy.operands(node));
    for (size_t result = 0; result < results.size(); ++result)
      copy.replace({i, static_cast<int>(result)}, results[result]);
  }
  return copy.finish();
}

}  // namespace

Graph expand_composites(const Graph& graph, const ExpandOptions& options) {
  check_names(options.only);
  check_names(options.keep);
  Graph current = graph;
  while (any_chosen(current, options)) current = expand_once(current, options);
  return current;
}

}  // namespace ag
