// grad: reverse-mode differentiation
//
// Walks the nodes once backwards from the loss and appends, for each node on a path from a wanted
// value to the loss, what its record's gradient rule says; gradients of several uses are summed. A
// composite without a rule of its own is written out and the expansion differentiated. Ops whose
// record says `differentiable = false` end a path.
//
//   %1: f32[4] = multiply(%w, %x)                %1: f32[4] = multiply(%w, %x)
//   %2: f32[] = reduce_sum(%1, axes=[0])   =>    %2: f32[] = reduce_sum(%1, axes=[0])
//   return loss=%2                               %3: f32[] = full(value=1)
//                                                %4: f32[4] = broadcast(%3, axes=[])
//                                                %5: f32[4] = multiply(%4, %x)
//                                                return loss=%2, grad.w=%5
//
// Sharing and folding what the rules leave behind is the work of simplify, cse and dce.
#include "passes/autograd.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/expand.h"
#include "ir/gradient.h"
#include "ir/internal_error.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/print.h"

namespace ag {
namespace {

constexpr int kUnreached = -1;

struct Seed {
  Value value;
  Tensor gradient;
};

// One reverse sweep over the nodes [begin, end) of a graph. Wanted values may also lie before
// `begin`: the operands of a composite whose expansion is [begin, end).
class ReverseSweep {
 public:
  ReverseSweep(Graph& graph, int begin, int end, std::span<const Value> wanted)
      : graph_(graph), begin_(begin), end_(end), wanted_(wanted), wanted_gradients_(wanted.size()) {
    for (int i = begin; i < end; ++i) {
      size_t results = graph.node(i).types.size();
      reached_by_.emplace_back(results, kUnreached);
      gradients_.emplace_back(results);
    }
    mark_reached();
  }

  // Gradients of the wanted values, invalid where nothing flows.
  std::vector<Tensor> run(std::span<const Seed> seeds) {
    for (const Seed& seed : seeds) accumulate(seed.value, seed.gradient);
    for (int i = end_ - 1; i >= begin_; --i) differentiate(i);
    return std::move(wanted_gradients_);
  }

 private:
  bool inside(Value value) const { return value.node >= begin_ && value.node < end_; }

  int find_wanted(Value value) const {
    auto found = std::find(wanted_.begin(), wanted_.end(), value);
    return found == wanted_.end() ? kUnreached : static_cast<int>(found - wanted_.begin());
  }

  // Index of a wanted value that `value` depends on differentiably, or kUnreached.
  int reached_by(Value value) const {
    return inside(value) ? reached_by_[value.node - begin_][value.result] : find_wanted(value);
  }

  void mark_reached() {
    for (int i = begin_; i < end_; ++i) {
      const Node& node = graph_.node(i);
      int source = kUnreached;
      for (Value operand : node.operands) {
        if (node.op->differentiable && source == kUnreached) source = reached_by(operand);
      }
      for (int result = 0; result < static_cast<int>(node.types.size()); ++result) {
        int itself = find_wanted({i, result});
        bool carries = is_float(node.types[result].dtype);
        reached_by_[i - begin_][result] = itself != kUnreached ? itself
                                          : carries            ? source
                                                               : kUnreached;
      }
    }
  }

  void accumulate(Value value, Tensor gradient) {
    if (graph_.type(value).with_layout({}) != gradient.type().with_layout({})) {
      internal_error("the gradient of {} is {}, but its value is {}", print_name(graph_, value),
                     to_string(gradient.type()), to_string(graph_.type(value)));
    }
    Tensor* sum = nullptr;
    if (inside(value)) {
      sum = &gradients_[value.node - begin_][value.result];
    } else if (int place = find_wanted(value); place != kUnreached) {
      sum = &wanted_gradients_[place];
    } else {
      return;
    }
    *sum = sum->valid() ? add(*sum, gradient) : gradient;
  }

  void differentiate(int index) {
    const Node& node = graph_.node(index);
    const std::vector<Tensor>& dy = gradients_[index - begin_];
    if (std::none_of(dy.begin(), dy.end(), [](const Tensor& t) { return t.valid(); })) return;
    for (int result = 0; result < static_cast<int>(dy.size()); ++result) {
      int place = find_wanted({index, result});
      if (place != kUnreached) wanted_gradients_[place] = dy[result];
    }
    std::vector<bool> wanted;
    for (Value operand : node.operands)
      wanted.push_back(node.op->differentiable && reached_by(operand) != kUnreached);
    if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) return;

    LocationGuard location(graph_, node.location);
    std::vector<Tensor> dx(node.operands.size());
    if (node.op->grad) {
      GradContext context{graph_, node, index, dy, wanted, dx};
      node.op->grad(context);
    } else if (node.op->expand) {
      dx = through_expansion(node, dy, wanted);
    } else {
      fail_without_gradient(node, wanted);
    }
    for (size_t i = 0; i < dx.size(); ++i) {
      if (dx[i].valid() && wanted[i]) accumulate(node.operands[i], dx[i]);
    }
  }

  std::vector<Tensor> through_expansion(const Node& node, std::span<const Tensor> dy,
                                        const std::vector<bool>& wanted) {
    std::vector<Tensor> operands;
    for (Value operand : node.operands) operands.emplace_back(graph_, operand);
    int begin = graph_.size();
    std::vector<Tensor> results = expand(node, operands);
    int end = graph_.size();

    std::vector<Seed> seeds;
    for (size_t i = 0; i < results.size(); ++i) {
      if (dy[i].valid()) seeds.push_back({results[i].value(), dy[i]});
    }
    std::vector<Value> distinct;  // an operand used twice is wanted once
    std::vector<size_t> first_use;
    for (size_t i = 0; i < operands.size(); ++i) {
      bool seen = std::find(distinct.begin(), distinct.end(), node.operands[i]) != distinct.end();
      if (!wanted[i] || seen) continue;
      distinct.push_back(node.operands[i]);
      first_use.push_back(i);
    }
    std::vector<Tensor> found = ReverseSweep(graph_, begin, end, distinct).run(seeds);
    std::vector<Tensor> dx(operands.size());
    for (size_t i = 0; i < found.size(); ++i) dx[first_use[i]] = found[i];
    return dx;
  }

  [[noreturn]] void fail_without_gradient(const Node& node, const std::vector<bool>& wanted) {
    size_t i = std::find(wanted.begin(), wanted.end(), true) - wanted.begin();
    Value operand = node.operands[i], source = wanted_[reached_by(operand)];
    throw CompileError(
        fmt::format("grad: {} has no gradient, but the loss depends on {} through it",
                    node.op->name, print_name(graph_, source)))
        .at(node.location)
        .excerpt(print_application(graph_, node))
        .help(fmt::format("cut the path with stop_gradient({}), or leave {} out of the leaves to"
                          " differentiate with respect to",
                          print_name(graph_, operand), print_name(graph_, source)));
  }

  Graph& graph_;
  int begin_, end_;
  std::span<const Value> wanted_;
  std::vector<std::vector<int>> reached_by_;    // of each result of [begin, end)
  std::vector<std::vector<Tensor>> gradients_;  // of each result of [begin, end)
  std::vector<Tensor> wanted_gradients_;
};

void check_loss(Tensor loss) {
  const Graph& graph = loss.graph();
  const TensorType& type = loss.type();
  if (!is_float(type.dtype)) {
    throw CompileError(fmt::format("grad: the loss {} is {}, not a float",
                                   print_name(graph, loss.value()), to_string(type)))
        .at(graph.node(loss.value()).location)
        .help("cast it to f32");
  }
  if (type.count() != 1) {
    throw CompileError(fmt::format("grad: the loss {} is {} with {} elements, not one number",
                                   print_name(graph, loss.value()), to_string(type), type.count()))
        .at(graph.node(loss.value()).location)
        .help("reduce it, for instance with reduce_mean over all axes");
  }
}

void check_wanted(Tensor wanted, const Graph& graph) {
  if (&wanted.graph() != &graph) {
    throw CompileError(fmt::format("grad: the loss belongs to graph @{}, but {} to graph @{}",
                                   graph.name(), print_name(wanted.graph(), wanted.value()),
                                   wanted.graph().name()));
  }
  if (is_float(wanted.dtype())) return;
  const Node& node = graph.node(wanted.value());
  throw CompileError(fmt::format("grad: {} is {}, but only floats have gradients",
                                 print_name(graph, wanted.value()), to_string(wanted.type())))
      .at(node.location)
      .help("leave it out of the leaves to differentiate with respect to, or make it f32");
}

std::vector<Tensor> wanted_leaves(Graph& graph, const GradOptions& options) {
  std::vector<Tensor> wanted;
  for (const std::string& name : options.with_respect_to) {
    Value leaf = graph.find_leaf(name);
    if (!leaf.valid()) {
      std::string known;
      for (Value parameter : graph.leaves(ops::parameter))
        known += (known.empty() ? "" : ", ") + graph.leaf_name(parameter);
      throw CompileError(fmt::format("grad: graph @{} has no leaf '{}'", graph.name(), name))
          .help(known.empty() ? "the graph has no parameters" : "parameters: " + known);
    }
    wanted.emplace_back(graph, leaf);
  }
  if (!options.with_respect_to.empty()) return wanted;
  for (Value parameter : graph.leaves(ops::parameter)) {
    if (is_float(graph.type(parameter).dtype)) wanted.emplace_back(graph, parameter);
  }
  return wanted;
}

Tensor one_like(Tensor loss) {
  Graph& graph = loss.graph();
  LocationGuard location(graph, graph.node(loss.value()).location);
  return full_like(loss, 1);
}

}  // namespace

std::vector<Tensor> gradients(Tensor loss, std::span<const Tensor> wrt) {
  Graph& graph = loss.graph();
  check_loss(loss);
  std::vector<Value> wanted;
  for (const Tensor& tensor : wrt) {
    check_wanted(tensor, graph);
    wanted.push_back(tensor.value());
  }
  Seed seed{loss.value(), one_like(loss)};
  int end = loss.value().node + 1;
  std::vector<Tensor> found = ReverseSweep(graph, 0, end, wanted).run({&seed, 1});
  for (size_t i = 0; i < wrt.size(); ++i) {
    // The sweep hands a value wanted twice its gradient once.
    size_t first = std::find(wanted.begin(), wanted.end(), wanted[i]) - wanted.begin();
    if (!found[first].valid()) found[first] = zeros_like(wrt[first]);
    found[i] = found[first];
  }
  return found;
}

Graph grad(const Graph& graph, const GradOptions& options) {
  Graph result = graph;
  Tensor loss(result, result.output(options.of));
  std::vector<Tensor> wanted = wanted_leaves(result, options);
  std::vector<Tensor> found = gradients(loss, wanted);
  for (size_t i = 0; i < wanted.size(); ++i)
    result.add_output(options.prefix + result.leaf_name(wanted[i].value()), found[i].value());
  return result;
}

}  // namespace ag
