// What people call a kernel: the layer it works for, not its hash. Internal to codegen/link.
#pragma once

#include <map>
#include <string>

#include "codegen/plan/program.h"

namespace ag {

struct KernelTitle {
  std::string text;   // "layer1.0.conv2 conv+relu and 2 more"
  Location location;  // of the first step that calls it
};

// By the kernel's symbol. A kernel that several steps call is the first one's, entries before
// `prepare`.
using KernelTitles = std::map<std::string, KernelTitle>;

KernelTitles kernel_titles(const plan::Program& program);

// The title of a function in a kernel's object, and the kernel's; the bodies of its parallel loops
// are functions of their own, named after it. Null when `symbol` is no kernel's.
struct FunctionTitle {
  const KernelTitle* kernel = nullptr;
  std::string text;
};
FunctionTitle title_of(const KernelTitles& titles, const std::string& symbol);

}  // namespace ag
