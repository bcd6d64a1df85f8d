// Sharing storage: concats, slices and reshapes as views. The contract stands in the header.
//
// What: walks the kernels backwards and gives each value at most one place inside another. The
// operand of a concat lies in its result, the result of a slice or reshape in its operand; places
// chain, so that nested concats (DenseNet) are one buffer. A concat whose operands already lie one
// behind the other in a later concat's buffer is a part of that.
//
// Why: what a concat or slice between kernels costs is a copy of everything it moves.
//
// When: concats and slices along the first two axes, because halos surround the others, and where
// the layout's blocks are not cut; reshapes of row-major values in buffers of their own, none of
// whose readers wants a halo. Values that the outside sees keep buffers of their own, as do those
// that depend on parameters alone and have other readers, which are prepared; what is made of
// parameters alone stays a kernel.
//
// Left to others: addresses, strides, lifetimes and halos of the buffers (codegen/plan).

#include "passes/storage.h"

#include <algorithm>
#include <set>

#include "ir/internal_error.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/view.h"
#include "passes/copy.h"
#include "passes/halo.h"
#include "passes/layout.h"

namespace ag {
namespace {

struct ConcatView {
  int64_t axis;
  std::vector<Value> parts;
};

struct SliceView {
  Value source;
  Integers start;
};

bool is_class(const Node& node, std::string_view name) {
  return node.is(ops::kernel) && node.attributes.string("class") == name;
}

const Node& last_node(const Graph& body) { return body.node(body.size() - 1); }

ConcatView concat_view(const Node& kernel) {
  const Graph& body = kernel.attributes.graph("body");
  const std::vector<Value> leaves = body_leaves(body);
  const Node& concat = last_node(body);
  ConcatView view{concat.attributes.integer("axis"), {}};
  for (Value operand : concat.operands) {
    const auto leaf = std::find(leaves.begin(), leaves.end(), operand);
    view.parts.push_back(kernel.operands[leaf - leaves.begin()]);
  }
  return view;
}

SliceView slice_view(const Node& kernel) {
  const Node& slice = last_node(kernel.attributes.graph("body"));
  return {kernel.operands[0], slice.attributes.integers("start")};
}

// Whether a kernel does nothing but reshape a row-major value to one.
bool only_reshapes(const Graph& graph, int i) {
  const Node& node = graph.node(i);
  if (!is_class(node, "pointwise") && !is_class(node, "reshape")) return false;
  const Graph& body = node.attributes.graph("body");
  return body.size() == 2 && last_node(body).is(ops::reshape) &&
         node.types[0].layout.is_row_major() && graph.type(node.operands[0]).layout.is_row_major();
}

class SliceFinder {
 public:
  // Kernels of class "pointwise" that may be views are taken as such if `decides`.
  SliceFinder(const Graph& graph, bool decides) : graph_(graph), uses_(use_counts(graph)) {
    for (const Output& output : graph.outputs()) {
      outputs_.insert(output.value);
      if (output.updates) updates_.insert(output.value);
    }
    find_constants();
    find_halos();
    for (int i = graph.size() - 1; i >= 0; --i) {
      if (is_class(graph.node(i), "concat")) place_concat(i);
      if (is_class(graph.node(i), "slice")) place_slice(i);
      const bool reshapes = is_class(graph.node(i), "reshape");
      if (reshapes || (decides && only_reshapes(graph, i))) place_reshape(i);
    }
  }

  bool is_view(int kernel) const { return views_.contains(kernel); }
  // Whether part `index` of a concat that is a view must be copied to where it should lie.
  bool is_copied(int kernel, size_t index) const { return copied_.contains({kernel, index}); }
  bool copies_any() const { return !copied_.empty(); }

  std::map<Value, StoredSlice> slices() const {
    std::map<Value, StoredSlice> slices;
    for (const auto& [value, place] : places_) {
      (void)place;
      slices[value] = locate(value);
    }
    return slices;
  }

 private:
  // Nodes that depend on parameters and states alone.
  void find_constants() {
    is_constant_.assign(graph_.size(), true);
    for (int i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(i);
      is_constant_[i] = !node.is(ops::input) &&
                        std::all_of(node.operands.begin(), node.operands.end(),
                                    [&](Value operand) { return is_constant_[operand.node]; });
    }
  }

  void find_halos() {
    for (int i = 0; i < graph_.size(); ++i) {
      if (!graph_.node(i).is(ops::kernel)) continue;
      const std::vector<Value>& operands = graph_.node(i).operands;
      for (size_t o = 0; o < operands.size(); ++o) {
        if (!halo_wanted(graph_.node(i).attributes.graph("body"), o).empty())
          has_halo_.insert(operands[o]);
      }
    }
  }

  const TensorType& type(Value value) const { return graph_.type(value); }

  // The value's place in a buffer of its own: itself, or what it is a slice of.
  StoredSlice locate(Value value) const {
    StoredSlice found{value, Integers(type(value).rank(), 0)};
    for (auto place = places_.find(value); place != places_.end();
         place = places_.find(found.whole)) {
      const bool reshaped = reshapes_.contains(found.whole);
      found.whole = place->second.whole;
      if (reshaped) found.start.assign(type(found.whole).rank(), 0);
      for (size_t axis = 0; axis < found.start.size(); ++axis)
        found.start[axis] += place->second.start[axis];
    }
    return found;
  }

  bool lies_at(Value value, Value whole, const Integers& start) const {
    StoredSlice wanted = locate(whole), found = locate(value);
    for (size_t axis = 0; axis < start.size(); ++axis) wanted.start[axis] += start[axis];
    return found.whole == wanted.whole && found.start == wanted.start;
  }

  // Whether a box of the whole's elements, along the first two axes, cuts none of its blocks.
  bool cuts_no_block(const TensorType& part, const TensorType& whole, const Integers& start) const {
    if (part.layout != whole.layout) return false;
    for (int axis = 0; axis < whole.rank(); ++axis) {
      const int64_t block = whole.layout.block_of(axis), end = start[axis] + part.shape[axis];
      if (axis > 1 && part.shape[axis] != whole.shape[axis]) return false;
      const bool ends = end == whole.shape[axis] || end % block == 0;
      if (start[axis] % block != 0 || !ends) return false;
    }
    return true;
  }

  // Whether the value's kernel may write it anywhere. One that depends on parameters alone would be
  // computed in every call then: only where nothing else reads it.
  bool can_move(Value value) const {
    const bool prepares = is_constant_[value.node] && uses_[value.node][value.result] > 1;
    return graph_.node(value).is(ops::kernel) && !outputs_.contains(value) && !prepares &&
           !places_.contains(value) && !reshaped_.contains(value);
  }

  // Whether the value's kernel writes it densely into a buffer of its own.
  bool is_dense(Value value) const {
    const bool own = graph_.node(value).is(ops::kernel) && !outputs_.contains(value) &&
                     !places_.contains(value) &&
                     (!wholes_.contains(value) || reshaped_.contains(value));
    return own && !has_halo_.contains(value);
  }

  void place_reshape(int i) {
    const Value result{i, 0}, source = graph_.node(i).operands[0];
    const Node& producer = graph_.node(source);
    const bool moves = is_class(producer, "concat") || is_class(producer, "slice");
    const bool fits = !is_constant_[i] && !moves && type(result).count() > 0 && is_dense(result) &&
                      is_dense(source);
    if (!fits) return;
    place(result, {source, Integers(type(source).rank(), 0)});
    reshapes_.insert(result);
    reshaped_.insert(source);
    views_.insert(i);
  }

  void place(Value value, StoredSlice slice) {
    wholes_.insert(slice.whole);
    places_[value] = std::move(slice);
  }

  void place_concat(int i) {
    const Value result{i, 0};
    const ConcatView concat = concat_view(graph_.node(i));
    if (is_constant_[i] || updates_.contains(result) || concat.axis > 1) return;
    std::vector<Integers> starts;
    int64_t offset = 0;
    for (Value part : concat.parts) {
      Integers start(type(result).rank(), 0);
      start[concat.axis] = offset;
      offset += type(part).shape[concat.axis];
      starts.push_back(start);
      const TensorType copy = type(part).with_layout(type(result).layout);
      if (copy.count() == 0 || !cuts_no_block(copy, type(result), start)) return;
    }
    views_.insert(i);
    join_later_concat(result, concat.parts, starts);
    for (size_t k = 0; k < concat.parts.size(); ++k) {
      const Value part = concat.parts[k];
      if (can_move(part) && type(part).layout == type(result).layout) {
        place(part, {result, starts[k]});
      } else if (!places_.contains(part) || !lies_at(part, result, starts[k])) {
        copied_.insert({i, k});
      }
    }
  }

  // concat(a, b) beside a later concat(a, b, c).
  void join_later_concat(Value result, const std::vector<Value>& parts,
                         const std::vector<Integers>& starts) {
    const StoredSlice first = locate(parts[0]);
    const bool is_later = first.whole.node > result.node;
    if (!can_move(result) || !is_later || type(first.whole).layout != type(result).layout) return;
    for (size_t k = 1; k < parts.size(); ++k) {
      StoredSlice part = locate(parts[k]);
      for (size_t axis = 0; axis < part.start.size(); ++axis) part.start[axis] -= starts[k][axis];
      if (part.whole != first.whole || part.start != first.start) return;
    }
    place(result, first);
  }

  void place_slice(int i) {
    const Value result{i, 0};
    const SliceView slice = slice_view(graph_.node(i));
    const bool fits = graph_.node(slice.source).is(ops::kernel) && !is_constant_[i] &&
                      !outputs_.contains(result) && type(result).count() > 0 &&
                      cuts_no_block(type(result), type(slice.source), slice.start);
    if (!fits) return;
    if (places_.contains(result)) {
      if (lies_at(result, slice.source, slice.start)) views_.insert(i);
      return;
    }
    place(result, {slice.source, slice.start});
    views_.insert(i);
  }

  const Graph& graph_;
  std::vector<std::vector<int>> uses_;
  std::set<Value> outputs_, updates_;
  std::vector<bool> is_constant_;
  std::set<Value> has_halo_;
  std::map<Value, StoredSlice> places_;  // in another value, which may itself have a place
  std::set<Value> wholes_;               // in which others have places
  std::set<Value> reshapes_, reshaped_;  // the same bytes in other shapes: results, their sources
  std::set<int> views_;
  std::set<std::pair<int, size_t>> copied_;
};

std::shared_ptr<const Graph> concat_body(const Graph& graph, const std::vector<Value>& parts,
                                         int64_t axis) {
  Graph body("body");
  std::vector<Value> leaves;
  for (size_t k = 0; k < parts.size(); ++k) {
    leaves.push_back(body.add_leaf(ops::input, "x" + std::to_string(k),
                                   graph.type(parts[k]).with_layout({}), {}));
  }
  body.add_output("y0", body.add(ops::concat, std::move(leaves), {{"axis", axis}}, {}));
  return std::make_shared<const Graph>(std::move(body));
}

// A concat whose parts lie where its result is, those that cannot as copies.
void rewrite_concat(GraphCopy& copy, const SliceFinder& finder, int i) {
  const Node& node = copy.from().node(i);
  const ConcatView concat = concat_view(node);
  std::vector<Value> parts;
  for (size_t k = 0; k < concat.parts.size(); ++k) {
    const Value part = copy[concat.parts[k]];
    parts.push_back(finder.is_copied(i, k)
                        ? copy_kernel(copy.graph(), part, node.types[0].layout, node.location)
                        : part);
  }
  Attributes attributes = node.attributes;
  attributes.set("body", concat_body(copy.graph(), parts, concat.axis));
  copy.map_node(
      i, copy.graph().append(ops::kernel, std::move(parts), std::move(attributes), node.location));
}

// The kernel as one of another class.
void copy_as(GraphCopy& copy, int i, const char* name) {
  const Node& node = copy.from().node(i);
  Attributes attributes = node.attributes;
  attributes.set("class", std::string(name));
  std::vector<Value> operands;
  for (Value operand : node.operands) operands.push_back(copy[operand]);
  copy.map_node(i, copy.graph().append(ops::kernel, std::move(operands), std::move(attributes),
                                       node.location));
}

}  // namespace

std::map<Value, StoredSlice> stored_slices(const Graph& kernels) {
  const SliceFinder finder(kernels, false);
  for (int i = 0; i < kernels.size(); ++i) {
    const Node& node = kernels.node(i);
    const bool moves =
        is_class(node, "concat") || is_class(node, "slice") || is_class(node, "reshape");
    if (moves && !finder.is_view(i)) internal_error("storage: kernel %{} is no view", i);
  }
  if (finder.copies_any()) internal_error("storage: parts of a concat lie elsewhere");
  return finder.slices();
}

Graph share_storage(const Graph& kernels) {
  const SliceFinder finder(kernels, true);
  GraphCopy copy(kernels);
  for (int i = 0; i < kernels.size(); ++i) {
    const Node& node = kernels.node(i);
    const bool concat = is_class(node, "concat"), slice = is_class(node, "slice");
    if (concat && finder.is_view(i)) {
      rewrite_concat(copy, finder, i);
    } else if ((concat || slice) && !finder.is_view(i)) {
      copy_as(copy, i, "pointwise");
    } else if (!concat && !slice && finder.is_view(i)) {
      copy_as(copy, i, "reshape");
    } else {
      copy.node(i);
    }
  }
  return copy.finish();
}

Graph keep_storage_apart(const Graph& kernels) {
  GraphCopy copy(kernels);
  for (int i = 0; i < kernels.size(); ++i) {
    const Node& node = kernels.node(i);
    if (is_class(node, "concat") || is_class(node, "slice"))
      copy_as(copy, i, "pointwise");
    else
      copy.node(i);
  }
  return copy.finish();
}

}  // namespace ag
