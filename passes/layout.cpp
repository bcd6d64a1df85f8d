// Layouts: how every value between kernels is stored. The contract stands in the header.
//
// What: collects the demands of all kernels, lets kernels without demands follow their neighbours
// until nothing changes, then rebuilds the graph with the chosen layouts and with conversions where
// a value meets a demand it was not stored for.
//
// Why: vector code wants channels innermost and in blocks; converting between kernels would cost
// more than it gains, so a choice must hold for whole regions, forward and backward.
//
// Left to others: halos, strides and sharing of buffers belong to codegen/plan.

#include "passes/layout.h"

#include <map>

#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/view.h"
#include "passes/copy.h"
#include "passes/halo.h"
#include "passes/prepared.h"

namespace ag {
namespace {

class LayoutChooser {
 public:
  LayoutChooser(const Graph& graph, const LayoutModel& model) : graph_(graph), model_(model) {
    demands_.resize(graph.size());
    for (int i = 0; i < graph.size(); ++i) {
      if (graph.node(i).is(ops::kernel)) demands_[i] = model.demands(body(i), kernel_class(i));
    }
    for (const Output& output : graph.outputs()) {
      if (output.updates || !is_demanded(output.value))
        fixed_row_major_.insert({output.value, true});
    }
  }

  void choose() {
    for (int i = 0; i < graph_.size(); ++i) take_result_demands(i);
    for (int i = 0; i < graph_.size(); ++i) take_operand_demands(i);
    while (spread()) {
    }
  }

  Layout layout(Value value) const {
    auto found = chosen_.find(value);
    return found == chosen_.end() ? Layout() : found->second;
  }
  const LayoutDemands& demands(int node) const { return demands_[node]; }
  bool follows(int node) const { return model_.follows(kernel_class(node)); }
  // Only kernel results can have zeros around them: a leaf is copied for a reader that wants some.
  bool lacks_halo(int node, size_t operand) const {
    const Value value = graph_.node(node).operands[operand];
    return graph_.node(value).op->kind == OpKind::leaf &&
           !model_.tests_border(body(node), operand) && !halo_wanted(body(node), operand).empty();
  }

 private:
  const Graph& body(int i) const { return graph_.node(i).attributes.graph("body"); }
  std::string_view kernel_class(int i) const { return graph_.node(i).attributes.string("class"); }

  // Whether the kernel that computes the value wants to store it in its own way.
  bool is_demanded(Value value) const {
    const auto& wanted = demands_[value.node].results;
    const auto result = static_cast<size_t>(value.result);
    return result < wanted.size() && wanted[result] && !wanted[result]->is_row_major();
  }

  // Leaves and outputs live in the caller's memory or in plain parameters: row-major. An output
  // that its kernel stores otherwise is converted behind it.
  bool is_free(Value value) const {
    return graph_.node(value).is(ops::kernel) && !fixed_row_major_.contains(value);
  }

  void take_result_demands(int i) {
    const auto& wanted = demands_[i].results;
    for (size_t r = 0; r < wanted.size(); ++r) {
      Value value{i, static_cast<int>(r)};
      if (wanted[r] && is_free(value)) chosen_.emplace(value, *wanted[r]);
    }
  }

  void take_operand_demands(int i) {
    const auto& wanted = demands_[i].operands;
    for (size_t o = 0; o < wanted.size(); ++o) {
      Value value = graph_.node(i).operands[o];
      if (wanted[o] && is_free(value)) chosen_.emplace(value, *wanted[o]);
    }
  }

  // Gives undecided results and operands of following kernels the layout of a neighbour with the
  // same shape. Returns whether anything changed.
  bool spread() {
    bool changed = false;
    for (int i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(i);
      if (!node.is(ops::kernel) || !model_.follows(kernel_class(i))) continue;
      std::vector<Value> values = node.operands;
      for (size_t r = 0; r < node.types.size(); ++r) values.push_back({i, static_cast<int>(r)});
      bool parts = kernel_class(i) == "concat" || kernel_class(i) == "slice";
      for (Value from : values) {
        if (chosen_.contains(from)) changed = spread_from(from, values, parts) || changed;
      }
    }
    return changed;
  }

  // Values whose channels and rank are those of `from`; pooling changes the spatial extents only.
  // Parts of a concat, or of what is sliced, have other channels, but whole blocks of them.
  bool spread_from(Value from, const std::vector<Value>& values, bool parts) {
    const Shape& shape = graph_.type(from).shape;
    const int64_t block = chosen_.at(from).block_of(1);
    bool changed = false;
    for (Value to : values) {
      const Shape& other = graph_.type(to).shape;
      bool alike = other.size() == shape.size() && shape.size() > 2 && other[0] == shape[0] &&
                   (other[1] == shape[1] || (parts && other[1] % block == 0));
      if (alike && is_free(to) && !chosen_.contains(to)) {
        chosen_.emplace(to, chosen_.at(from));
        changed = true;
      }
    }
    return changed;
  }

  const Graph& graph_;
  const LayoutModel& model_;
  std::vector<LayoutDemands> demands_;
  std::map<Value, bool> fixed_row_major_;
  std::map<Value, Layout> chosen_;
};

class LayoutRewriter {
 public:
  LayoutRewriter(const Graph& graph, const LayoutChooser& chooser)
      : copy_(graph), chooser_(chooser), prepared_(prepared_nodes(graph)) {}

  Graph run() {
    const Graph& graph = copy_.from();
    for (int i = 0; i < graph.size(); ++i) {
      if (graph.node(i).is(ops::kernel))
        rewrite(i);
      else if (!copy_.has({i, 0}))
        copy_.node(i);
    }
    for (const Output& output : graph.outputs()) {
      const Value stored = copy_[output.value];
      if (copy_.graph().type(stored).layout.is_row_major()) continue;
      copy_.replace(output.value, converted(stored, {}, graph.node(output.value).location));
    }
    return copy_.finish();
  }

 private:
  void rewrite(int i) {
    const Node& node = copy_.from().node(i);
    const auto& wanted = chooser_.demands(i).operands;
    std::vector<Value> operands;
    for (size_t o = 0; o < node.operands.size(); ++o) {
      Value operand = copy_[node.operands[o]];
      Layout stored = copy_.graph().type(operand).layout;
      Layout demanded = o < wanted.size() && wanted[o] ? *wanted[o] : stored;
      if (reads_prepared(i, o)) demanded = chooser_.layout({i, 0});
      bool copies = stored != demanded || chooser_.lacks_halo(i, o);
      operands.push_back(copies ? converted(operand, demanded, node.location) : operand);
    }
    std::vector<TensorType> results;
    for (size_t r = 0; r < node.types.size(); ++r) {
      results.push_back(node.types[r].with_layout(chooser_.layout({i, static_cast<int>(r)})));
    }
    Attributes attributes = node.attributes;
    attributes.set("layouts", layouts_text(results));
    copy_.map_node(i, copy_.graph().append(ops::kernel, std::move(operands), std::move(attributes),
                                           node.location));
  }

  // Whether a kernel that runs each time reads a leaf that never changes, element by element: it is
  // converted once to the layout of the result.
  bool reads_prepared(int i, size_t operand) const {
    const Node& node = copy_.from().node(i);
    const Value value = node.operands[operand];
    return copy_.from().node(value).op->kind == OpKind::leaf && prepared_[value.node] &&
           !prepared_[i] && chooser_.follows(i) &&
           copy_.from().type(value).shape == node.types[0].shape;
  }

  // Each value is converted once to each layout.
  Value converted(Value value, const Layout& layout, const Location& location) {
    for (const auto& [from, to, result] : conversions_) {
      if (from == value && to == layout) return result;
    }
    Value result = copy_kernel(copy_.graph(), value, layout, location);
    conversions_.push_back({value, layout, result});
    return result;
  }

  struct Conversion {
    Value from;
    Layout to;
    Value result;
  };

  GraphCopy copy_;
  const LayoutChooser& chooser_;
  std::vector<bool> prepared_;
  std::vector<Conversion> conversions_;
};

}  // namespace

Value copy_kernel(Graph& graph, Value value, const Layout& layout, const Location& location) {
  TensorType type = graph.type(value).with_layout({});
  Graph body("body");
  Value leaf = body.add_leaf(ops::input, "x0", type, {});
  body.add_output("y0", leaf);
  TensorType stored = type.with_layout(layout);
  return graph.add(ops::kernel, {value},
                   {{"class", std::string("pointwise")},
                    {"layouts", layouts_text({&stored, 1})},
                    {"body", std::make_shared<const Graph>(std::move(body))}},
                   location);
}

Graph assign_layouts(const Graph& graph, const LayoutModel& model) {
  LayoutChooser chooser(graph, model);
  chooser.choose();
  return LayoutRewriter(graph, chooser).run();
}

}  // namespace ag
