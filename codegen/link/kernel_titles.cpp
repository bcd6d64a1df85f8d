#include "codegen/link/kernel_titles.h"

#include <fmt/format.h>

namespace ag {

KernelTitles kernel_titles(const plan::Program& program) {
  KernelTitles titles;
  std::map<std::string, int> others;
  auto add = [&](const std::vector<plan::Step>& steps) {
    for (const plan::Step& step : steps) {
      if (step.kernel.empty()) continue;
      const std::string& scope = step.location.scope;
      const std::string text = scope.empty() ? step.name : scope + " " + step.name;
      if (!titles.emplace(step.kernel, KernelTitle{text, step.location}).second)
        ++others[step.kernel];
    }
  };
  for (const plan::Entry& entry : program.entries) add(entry.steps);
  add(program.prepare);
  for (const auto& [symbol, count] : others)
    titles[symbol].text += fmt::format(" and {} more", count);
  return titles;
}

FunctionTitle title_of(const KernelTitles& titles, const std::string& symbol) {
  auto kernel = titles.upper_bound(symbol);
  if (kernel == titles.begin() || !symbol.starts_with((--kernel)->first)) return {};
  const std::string loop = symbol.substr(kernel->first.size());
  return {&kernel->second, loop.empty() ? kernel->second.text : kernel->second.text + ": " + loop};
}

}  // namespace ag
