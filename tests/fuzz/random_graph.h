// Random graphs out of the table of op cases: rows are spliced one after another, and a row's float
// operands are fed from results of earlier rows, brought to the row's shape, type and range. So
// every op of the table takes part, and types and values are valid by construction.
#pragma once

#include <algorithm>
#include <numeric>
#include <random>

#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "tests/op_cases.h"

namespace ag {

struct RandomGraphOptions {
  int rows = 5;
  // All floats of one type and only rows whose gradients are derivatives; an output "loss".
  bool differentiable = false;
  DType float_type = DType::f64;  // of differentiable graphs
};

class RandomGraph {
 public:
  RandomGraph(unsigned seed, RandomGraphOptions options)
      : random_(seed), options_(options), graph_("random" + std::to_string(seed)) {
    for (int i = 0; i < options.rows; ++i) add_row(choose_row(), i);
    options.differentiable ? add_loss() : add_outputs();
  }

  BuiltCase take() { return {std::move(graph_), std::move(bindings_)}; }

 private:
  size_t below(size_t limit) { return random_() % limit; }

  bool is_differentiable(const OpCase& row) const {
    const bool has_type =
        options_.float_type == DType::f64 ||
        std::find(row.dtypes.begin(), row.dtypes.end(), options_.float_type) != row.dtypes.end();
    return row.differences && row.reference_dtype() == DType::f64 && has_type;
  }

  const OpCase& choose_row() {
    while (true) {
      const OpCase& row = op_cases()[below(op_cases().size())];
      if (!options_.differentiable || is_differentiable(row)) return row;
    }
  }

  // Halves are rounded where a value is stored, and passes change which values are stored: graphs
  // hold none, so that any difference is a mistake.
  DType exact_dtype(const OpCase& row) {
    std::vector<DType> exact;
    for (DType dtype : row.dtypes) {
      if (dtype != DType::f16 && dtype != DType::bf16) exact.push_back(dtype);
    }
    return exact.empty() ? row.reference_dtype() : exact[below(exact.size())];
  }

  void add_row(const OpCase& row, int position) {
    DType dtype = options_.differentiable ? options_.float_type : exact_dtype(row);
    BuiltCase piece = build_case(row, dtype);
    std::vector<std::vector<Tensor>> values(piece.graph.size());
    for (int i = 0; i < piece.graph.size(); ++i) {
      const Node& node = piece.graph.node(i);
      LocationGuard location(graph_, Location("random.cpp", position + 1, row.name()));
      if (node.op->kind == OpKind::leaf) {
        values[i] = {leaf(piece, Value{i, 0}, position)};
        continue;
      }
      std::vector<Value> operands;
      for (Value operand : node.operands)
        operands.push_back(values[operand.node][operand.result].value());
      int fresh = graph_.append(*node.op, operands, node.attributes,
                                Location("random.cpp", position + 1, row.name()));
      for (int result = 0; result < static_cast<int>(node.types.size()); ++result)
        values[i].push_back({graph_, Value{fresh, result}});
    }
    for (const Output& output : piece.graph.outputs())
      pool_.push_back(values[output.value.node][output.value.result]);
  }

  // An earlier result in place of a float operand, most of the time; else a leaf.
  Tensor leaf(const BuiltCase& piece, Value value, int position) {
    const std::string& name = piece.graph.leaf_name(value);
    const ReferenceTensor& sample = piece.bindings.at(name);
    const TensorType& type = piece.graph.type(value);
    std::vector<Tensor> sources;
    for (Tensor tensor : pool_) {
      if (is_float(tensor.dtype()) && tensor.type().count() > 0) sources.push_back(tensor);
    }
    if (type.count() > 0 && is_float(type.dtype) && !sources.empty() && below(5) != 0)
      return fitted(sources[below(sources.size())], type, sample);
    std::string fresh = "leaf" + std::to_string(position) + "." + name;
    const OpDef& kind = below(3) == 0 ? ops::parameter : *piece.graph.node(value).op;
    bindings_.emplace(fresh, sample);
    return {graph_, graph_.add_leaf(kind, fresh, type, {})};
  }

  // Squeezed into the range of the sample's values, repeated or cut to its shape, cast to its type.
  Tensor fitted(Tensor source, const TensorType& type, const ReferenceTensor& sample) {
    auto [low, high] = std::minmax_element(sample.floats.begin(), sample.floats.end());
    Tensor flat = reshape(to_layout(source, {}), {source.type().count()});
    int64_t count = type.count(), have = flat.type().count();
    if (have < count) {
      int64_t times = (count + have - 1) / have;
      flat = reshape(broadcast(flat, {times, have}, {1}), {times * have});
    }
    if (flat.type().count() > count) flat = slice(flat, {0}, {count});
    Tensor squeezed = sigmoid(flat) * (*high - *low) + *low;
    return reshape(cast(squeezed, type.dtype), type.shape);
  }

  void add_outputs() {
    for (size_t i = 0; i < pool_.size(); ++i) {
      bool last = i + 1 == pool_.size();
      if (last || below(3) == 0) graph_.add_output("y" + std::to_string(i), pool_[i].value());
    }
  }

  void add_loss() {
    Tensor loss;
    for (Tensor tensor : pool_) {
      if (tensor.dtype() != options_.float_type) continue;
      Tensor flat = reshape(to_layout(tensor, {}), {tensor.type().count()});
      Tensor term = reduce_mean(tanh(flat * 0.3), {0});
      loss = loss.valid() ? loss + term : term;
    }
    if (loss.valid()) graph_.add_output("loss", loss.value());
  }

  std::mt19937 random_;
  RandomGraphOptions options_;
  Graph graph_;
  Bindings bindings_;
  std::vector<Tensor> pool_;  // results so far
};

inline BuiltCase random_graph(unsigned seed, RandomGraphOptions options = {}) {
  return RandomGraph(seed, options).take();
}

}  // namespace ag
