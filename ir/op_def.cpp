#include "ir/op_def.h"

#include <fmt/format.h>

#include "ir/infer.h"

namespace ag {

CompileError InferContext::error(const std::string& what) const {
  return CompileError(fmt::format("{}: {}", op.name, what));
}

const AttributeSpec* OpDef::attribute(std::string_view wanted) const {
  for (const AttributeSpec& spec : attributes) {
    if (spec.name == wanted) return &spec;
  }
  return nullptr;
}

const AttributeSpec* OpDef::declared_type() const {
  for (const AttributeSpec& spec : attributes) {
    if (spec.kind == AttributeKind::type) return &spec;
  }
  return nullptr;
}

}  // namespace ag
