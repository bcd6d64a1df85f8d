#include <algorithm>

#include "codegen/schedule/cuda/choose.h"
#include "codegen/schedule/cuda/rules.h"
#include "ir/ops/index.h"
#include "ir/ops/reduce.h"

namespace ag {
namespace {

// The reduction that reads most.
struct Largest {
  int64_t results = 1, extent = 1;
  bool by_rows = true;  // its elements are neighbours in memory
};

bool is_arg(const Node& node) { return node.is(ops::argmax) || node.is(ops::argmin); }
bool is_scatter(const Node& node) {
  return node.is(ops::scatter_along_add) || node.is(ops::scatter_rows_add);
}
bool is_sum(const Node& node) {
  return node.is(ops::reduce_sum) || node.is(ops::reduce_max) || node.is(ops::reduce_min) ||
         is_arg(node);
}

Integers axes_of(const Node& node) {
  return is_arg(node) ? Integers{node.attributes.integer("axis")}
                      : node.attributes.integers("axes");
}

// Each of its results looks through the updates along one axis, or all of them.
Largest of_scatter(const Graph& body, const Node& node) {
  const Shape& indices = body.type(node.operands[1]).shape;
  const bool rows = node.is(ops::scatter_rows_add);
  const int64_t extent = rows ? element_count(indices) : indices[node.attributes.integer("axis")];
  return {node.types[0].count(), extent, node.types[0].rank() == 1};
}

Largest find_largest(const Graph& body) {
  Largest largest;
  int64_t most = 0;
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    if (is_scatter(node)) {
      const Largest scatter = of_scatter(body, node);
      if (scatter.results * scatter.extent <= most) continue;
      most = scatter.results * scatter.extent;
      largest = scatter;
    }
    if (!is_sum(node)) continue;
    const TensorType& operand = body.type(node.operands[0]);
    if (operand.count() <= most) continue;
    most = operand.count();
    const Integers axes = axes_of(node);
    const bool by_rows = std::find(axes.begin(), axes.end(), operand.rank() - 1) != axes.end();
    const int64_t results = std::max<int64_t>(node.types[0].count(), 1);
    largest = {results, most / results, by_rows};
  }
  return largest;
}

// The fewest terms of a reduction that makes one number of each row of the results; 0: none does.
int64_t shortest_of_rows(const KernelView& kernel) {
  const Shape& result = kernel.results[0].type.shape;
  for (const BufferForm& form : kernel.results) {
    if (form.type.shape != result) return 0;
  }
  int64_t shortest = 0;
  for (int i = 0; i < kernel.body.size(); ++i) {
    const Node& node = kernel.body.node(i);
    if (!is_sum(node) || result.size() < 2) continue;
    const Integers axes = axes_of(node);
    const Shape &operand = kernel.body.type(node.operands[0]).shape, &kept = node.types[0].shape;
    const bool is_of_rows =
        axes.size() == 1 && axes[0] + 1 == static_cast<int64_t>(operand.size()) &&
        kept.size() + 1 == result.size() && std::equal(kept.begin(), kept.end(), result.begin());
    if (is_of_rows && (shortest == 0 || operand.back() < shortest)) shortest = operand.back();
  }
  return shortest;
}

struct Block {
  int64_t columns, threads;
};

// Neighbouring threads read neighbours: along the sum, or along the results.
Block block_of(const Largest& sum) {
  constexpr int64_t kShort = 16, kBlock = 256, kColumns = 32;
  if (sum.extent <= kShort && sum.results >= kLeastThreads) return {threads_for(sum.results), 1};
  if (!sum.by_rows) {
    const int64_t columns = std::min(kColumns, power_of_two_from(sum.results));
    return {columns, kBlock / columns};
  }
  const int64_t threads = std::clamp<int64_t>(power_of_two_from(sum.extent) / 4, 8, kBlock);
  return {std::max<int64_t>(kLeastThreads / threads, 1), threads};
}

// Blocks that share a sum: where the results alone do not fill the device.
int64_t parts_of(const Largest& sum, const Block& block) {
  constexpr int64_t kMultiprocessors = 108, kLeastPart = 2048, kMostParts = 64;
  if (block.threads == 1) return 1;
  const int64_t blocks = (sum.results + block.columns - 1) / block.columns;
  const int64_t wanted = (2 * kMultiprocessors + blocks - 1) / blocks;
  return std::max<int64_t>(std::min({wanted, sum.extent / kLeastPart, kMostParts}), 1);
}

// With shuffles every thread has an element and more (see BlockReduction::lanes), if it is a warp.
Block rows_of(const KernelView& kernel, int64_t shortest, bool shuffles) {
  constexpr int64_t kLong = 4096, kBlock = 128;
  const Shape& shape = kernel.results[0].type.shape;
  const int64_t width = shape.back(), most = width >= kLong ? kMostThreads : 256;
  int64_t threads = std::clamp<int64_t>(power_of_two_from(width), 8, most);
  while (shuffles && threads > kWarp && threads >= shortest) threads /= 2;
  int64_t rows = std::max<int64_t>(kBlock / threads, 1);
  while (rows > 1 && rows > shape[shape.size() - 2]) rows /= 2;
  while (threads * rows < kLeastThreads) threads *= 2;
  return {rows, threads};
}

// Halide 21 shuffles no values of eight bytes.
bool has_wide_sums(const Graph& body) {
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    if (!is_sum(node) && !is_scatter(node)) continue;
    if (size_of(node.types[0].dtype) > 4 || size_of(body.type(node.operands[0]).dtype) > 4)
      return true;
  }
  return false;
}

}  // namespace

Schedule choose_cuda_reduction(const KernelView& kernel) {
  const Largest largest = find_largest(kernel.body);
  const Block block = block_of(largest);
  const bool shuffles = !has_wide_sums(kernel.body);
  const int64_t shortest = shortest_of_rows(kernel);
  const Block rows = shortest > 0 ? rows_of(kernel, shortest, shuffles) : Block{0, 0};
  int64_t elements = 0;
  for (const BufferForm& form : kernel.results) elements = std::max(elements, form.type.count());
  return {"reduction",
          {{"columns", block.columns},
           {"threads", block.threads},
           {"parts", parts_of(largest, block)},
           {"by_rows", largest.by_rows},
           {"lanes", shuffles && largest.by_rows && block.threads % kWarp == 0},
           {"rows", rows.columns},
           {"row_threads", rows.threads},
           {"row_lanes", shuffles && rows.threads % kWarp == 0 && rows.threads < shortest},
           {"element_threads", threads_for(elements)}}};
}

}  // namespace ag
