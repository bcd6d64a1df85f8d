// Which values want zeros around them.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace ag {

// Elements that readers expect before and behind each axis of a tensor, holding zero.
struct Halo {
  Integers low, high;  // one entry per axis; empty: none
  bool empty() const { return low.empty(); }
  // Widens this halo to hold the other.
  void include(const Halo& other);
  bool operator==(const Halo&) const = default;
};

// What the kernel's convolutions read outside of operand `operand` (index among the body's leaves):
// padding that a buffer with a halo makes unnecessary to test for.
Halo halo_wanted(const Graph& body, size_t operand);

}  // namespace ag
