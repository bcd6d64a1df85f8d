// Merging kernels over one domain: the second step of fusion.

#include <algorithm>

#include "passes/fusion_groups.h"

namespace ag {
namespace {

// More results than this in one kernel run out of registers and loop-invariant pointers.
constexpr size_t kMostResults = 6;
// Values smaller than this share a sweep whether or not they share operands: the call costs more.
constexpr int64_t kTinyElements = 1024;

// What a kernel sweeps over: kernels with equal domains may share their loops.
struct Domain {
  std::string_view kind;
  Shape swept, kept;
  bool operator==(const Domain&) const = default;
};

class Merger {
 public:
  Merger(const Graph& graph, FusionGroups& groups) : graph_(graph), groups_(groups) {
    kernel_of_.assign(graph.size(), -1);
    for (size_t k = 0; k < groups.kernels.size(); ++k)
      kernel_of_[groups.kernels[k][0]] = static_cast<int>(k);
    for (size_t k = 0; k < groups.kernels.size(); ++k)
      reads_.push_back(stored_reads(groups.kernels[k][0]));
  }

  void run() {
    for (size_t later = 0; later < groups_.kernels.size(); ++later) {
      for (size_t earlier = 0; earlier < later; ++earlier) {
        if (!can_merge(earlier, later)) continue;
        absorb(earlier, later);
        break;
      }
    }
    std::erase_if(groups_.kernels, [](const std::vector<int>& kernel) { return kernel.empty(); });
  }

 private:
  // Roots and leaves a root's kernel reads.
  std::set<int> stored_reads(int root) const {
    std::set<int> reads, seen;
    std::vector<int> work{root};
    while (!work.empty()) {
      int node = work.back();
      work.pop_back();
      for (Value operand : graph_.node(node).operands) {
        int source = operand.node;
        bool stored = groups_.is_root(source) || graph_.node(source).op->kind == OpKind::leaf;
        if (stored)
          reads.insert(source);
        else if (seen.insert(source).second)
          work.push_back(source);
      }
    }
    return reads;
  }

  Domain domain(size_t kernel) const {
    int root = groups_.kernels[kernel][0], anchor = groups_.anchor[root];
    const Shape& shape = graph_.node(root).types[0].shape;
    if (moves_only(root)) return {"alone", {}, {root}};
    if (anchor < 0) return {"pointwise", shape, shape};
    const Node& node = graph_.node(anchor);
    if (fusion_role(node) != FusionRole::reduction || graph_.node(root).types.size() > 1)
      return {"alone", {}, {root}};
    bool sums_to_root = node.types[0].shape == shape;
    return {sums_to_root ? node.op->name : "rows", graph_.type(node.operands[0]).shape, shape};
  }

  // A concat or slice of stored values, which may come to cost nothing (passes/storage.h).
  bool moves_only(int root) const {
    const Node& node = graph_.node(root);
    const bool stored = std::all_of(node.operands.begin(), node.operands.end(), [&](Value v) {
      return groups_.is_root(v.node) || graph_.node(v).op->kind == OpKind::leaf;
    });
    return stored && (is_view_slice(graph_, root) || is_stored_concat(graph_, root));
  }

  bool can_merge(size_t earlier, size_t later) const {
    const auto &a = groups_.kernels[earlier], &b = groups_.kernels[later];
    if (a.empty() || b.empty() || a.size() + b.size() > kMostResults) return false;
    if (groups_.is_constant[a[0]] != groups_.is_constant[b[0]])
      return false;  // one is computed once
    Domain da = domain(earlier), db = domain(later);
    if (!(da == db) || da.kind == "alone" || da.kind == "rows") return false;
    bool feeds =
        std::any_of(a.begin(), a.end(), [&](int root) { return reads_[later].contains(root); });
    if (feeds && (da.kind != "pointwise" || !reads_unmoved(later, earlier))) return false;
    return (feeds || shares_reads(earlier, later) || element_count(da.swept) <= kTinyElements) &&
           !reaches_around(earlier, later);
  }

  bool shares_reads(size_t earlier, size_t later) const {
    return std::any_of(reads_[later].begin(), reads_[later].end(), [&](int node) {
      int64_t swept = element_count(domain(later).swept);
      return reads_[earlier].contains(node) && graph_.node(node).types[0].count() * 4 >= swept;
    });
  }

  // Whether `later` reads the results of `earlier` at its own position only: through pointwise ops,
  // never through a view.
  bool reads_unmoved(size_t later, size_t earlier) const {
    std::set<int> seen;
    std::vector<int> work = groups_.kernels[later];
    while (!work.empty()) {
      int node = work.back();
      work.pop_back();
      for (Value operand : graph_.node(node).operands) {
        int source = operand.node;
        bool from_earlier =
            kernel_of_[source] == static_cast<int>(earlier) && groups_.is_root(source);
        if (from_earlier && !graph_.node(node).op->pointwise) return false;
        bool inside = !groups_.is_root(source) && graph_.node(source).op->kind != OpKind::leaf;
        if (!inside || !seen.insert(source).second) continue;
        if (!graph_.node(source).op->pointwise && reaches_kernel(source, earlier)) return false;
        work.push_back(source);
      }
    }
    return true;
  }

  bool reaches_kernel(int node, size_t kernel) const {
    std::set<int> reads = stored_reads(node);
    return std::any_of(reads.begin(), reads.end(), [&](int read) {
      return groups_.is_root(read) && kernel_of_[read] == static_cast<int>(kernel);
    });
  }

  // Whether some third kernel lies on a path from `earlier` to `later` or back: merging would make
  // a cycle.
  bool reaches_around(size_t earlier, size_t later) const {
    return path_through_others(earlier, later) || path_through_others(later, earlier);
  }

  bool path_through_others(size_t from, size_t to) const {
    std::vector<bool> seen(groups_.kernels.size(), false);
    std::vector<size_t> work;
    auto push_reads = [&](size_t kernel, bool direct) {
      for (int read : reads_[kernel]) {
        int source = groups_.is_root(read) ? kernel_of_[read] : -1;
        if (source < 0 || seen[source] || (direct && source == static_cast<int>(from))) continue;
        if (source == static_cast<int>(to)) continue;
        seen[source] = true;
        work.push_back(source);
      }
    };
    push_reads(to, true);
    while (!work.empty()) {
      size_t kernel = work.back();
      work.pop_back();
      if (kernel == from) return true;
      push_reads(kernel, false);
    }
    return false;
  }

  void absorb(size_t earlier, size_t later) {
    for (int root : groups_.kernels[later]) kernel_of_[root] = static_cast<int>(earlier);
    auto &a = groups_.kernels[earlier], &b = groups_.kernels[later];
    a.insert(a.end(), b.begin(), b.end());
    std::sort(a.begin(), a.end());
    b.clear();
    reads_[earlier].insert(reads_[later].begin(), reads_[later].end());
    for (int root : a) reads_[earlier].erase(root);
  }

  const Graph& graph_;
  FusionGroups& groups_;
  std::vector<int> kernel_of_;  // of roots: index into groups.kernels
  std::vector<std::set<int>> reads_;
};

}  // namespace

void merge_siblings(const Graph& graph, FusionGroups& groups) { Merger(graph, groups).run(); }

}  // namespace ag
