// What the layer functions share.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "frontend/context.h"

namespace ag {

// Open while one layer is built: everything made meanwhile is located at the caller's line and lies
// in the layer's scope.
class Layer {
 public:
  Layer(std::string_view kind, std::string_view name, const Operand& x)
      : context_(BuildContext::of(x, kind)),
        location_(context_.graph(), x.where),
        scope_(context_.graph(), name),
        title_(fmt::format("{} {}", kind, context_.graph().scope())) {}

  BuildContext& context() const { return context_; }
  Graph& graph() const { return context_.graph(); }
  // "conv layer1.0.conv2"
  const std::string& title() const { return title_; }
  std::string title(std::string_view argument) const {
    return fmt::format("{}: {}", title_, argument);
  }

  // "conv layer1.0.conv2: what", at the user's line.
  template <class... Args>
  CompileError error(fmt::format_string<Args...> format, Args&&... args) const {
    return located(CompileError(title(fmt::format(format, std::forward<Args>(args)...))));
  }
  CompileError located(CompileError error) const {
    return error.at(graph().locate(std::source_location::current()));
  }

 private:
  BuildContext& context_;
  LocationGuard location_;
  ScopeGuard scope_;
  std::string title_;
};

}  // namespace ag
