// Ties a recorded reference to the graph and operands it was made from.
#pragma once

#include <cstring>

#include "ir/print.h"
#include "tests/op_cases.h"

namespace ag {

// FNV-1a over the text and all operands' elements.
inline int64_t digest(const BuiltCase& built) {
  uint64_t hash = 0xcbf29ce484222325;
  auto mix = [&](const void* data, size_t size) {
    const unsigned char* bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  };
  std::string text = print(built.graph);
  mix(text.data(), text.size());
  for (const auto& [name, value] : built.bindings) {
    mix(value.floats.data(), value.floats.size() * sizeof(double));
    mix(value.integers.data(), value.integers.size() * sizeof(int64_t));
  }
  return static_cast<int64_t>(hash);
}

}  // namespace ag
