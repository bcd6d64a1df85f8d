// The runtime inside this process, for programs that run in memory.
#pragma once

#include <span>

namespace ag {

struct RuntimeSymbol {
  const char* name;
  void* address;
};

std::span<const RuntimeSymbol> runtime_symbols();

}  // namespace ag
