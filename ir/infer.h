// What a shape rule sees.
#pragma once

#include <fmt/format.h>

#include "ir/op_def.h"

namespace ag {

// `fail` throws the CompileError; the graph adds location and excerpt.
struct InferContext {
  const OpDef& op;
  std::span<const TensorType> operands;
  const Attributes& attributes;

  const TensorType& operand(size_t i) const { return operands[i]; }
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw error(fmt::format(format, std::forward<Args>(args)...));
  }
  CompileError error(const std::string& what) const;  // "conv: what", to add .help() and throw
};

}  // namespace ag
