#include "tests/ptx/reconverge.h"

#include "tests/ptx/opcode.h"

namespace ag::ptx {
namespace {

// What may run after instruction i; the kernel's end after an exit.
std::vector<uint32_t> successors(const Kernel& kernel, uint32_t i) {
  const Instruction& at = kernel.instructions[i];
  const auto end = static_cast<uint32_t>(kernel.instructions.size());
  std::vector<uint32_t> next = at.targets;
  if (at.opcode->unit == Unit::exit) next.push_back(end);
  const bool leaves = at.opcode->unit == Unit::branch || at.opcode->unit == Unit::exit;
  if (!leaves || at.guard >= 0) next.push_back(i + 1);
  return next;
}

// The usual iteration (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm) on the graph
// turned around, whose root is the kernel's end. Instructions further down are mostly nearer to the
// end, so a walk from the last to the first settles in few rounds.
class PostDominators {
 public:
  explicit PostDominators(const Kernel& kernel) {
    const auto end = static_cast<uint32_t>(kernel.instructions.size());
    order_instructions(kernel);
    parent_.assign(end + 1, kUnknown);
    parent_[end] = end;
    for (bool changed = true; changed;) {
      changed = false;
      for (const uint32_t i : order_) {
        uint32_t meet = kUnknown;
        for (const uint32_t next : successors(kernel, i)) {
          if (parent_[next] != kUnknown) meet = meet == kUnknown ? next : common(meet, next);
        }
        changed |= meet != parent_[i];
        parent_[i] = meet;
      }
    }
  }

  uint32_t of(uint32_t i) const { return parent_[i]; }

 private:
  static constexpr uint32_t kUnknown = UINT32_MAX;  // no way from there to the end

  // order_: instructions from the end backwards, each after those it was reached from;
  // rank_: the place in it.
  void order_instructions(const Kernel& kernel) {
    const auto end = static_cast<uint32_t>(kernel.instructions.size());
    std::vector<std::vector<uint32_t>> before(end + 1);
    for (uint32_t i = 0; i < end; ++i) {
      for (const uint32_t next : successors(kernel, i)) before[next].push_back(i);
    }
    std::vector<uint32_t> postorder;
    std::vector<char> seen(end + 1, 0);
    std::vector<std::pair<uint32_t, size_t>> path = {{end, 0}};
    seen[end] = 1;
    while (!path.empty()) {
      auto& [node, edge] = path.back();
      if (edge == before[node].size()) {
        postorder.push_back(node);
        path.pop_back();
        continue;
      }
      const uint32_t previous = before[node][edge++];
      if (!seen[previous]) path.emplace_back(previous, 0);
      seen[previous] = 1;
    }
    rank_.assign(end + 1, 0);
    for (uint32_t k = 0; k < postorder.size(); ++k) rank_[postorder[k]] = k;
    order_.assign(postorder.rbegin() + 1, postorder.rend());
  }

  uint32_t common(uint32_t a, uint32_t b) const {
    while (a != b) {
      while (rank_[a] < rank_[b]) a = parent_[a];
      while (rank_[b] < rank_[a]) b = parent_[b];
    }
    return a;
  }

  std::vector<uint32_t> parent_, rank_, order_;
};

}  // namespace

void find_reconvergence(Kernel& kernel) {
  const PostDominators dominators(kernel);
  for (uint32_t i = 0; i < kernel.instructions.size(); ++i) {
    kernel.instructions[i].reconverge = dominators.of(i);
  }
}

}  // namespace ag::ptx
