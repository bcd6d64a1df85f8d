#include "ir/ops/kernel.h"

#include <algorithm>
#include <sstream>

#include "ir/infer.h"

namespace ag {
namespace {

constexpr AttributeSpec kKernelAttributes[] = {
    required("class", AttributeKind::string),
    optional_string("layouts", ""),
    required("body", AttributeKind::graph),
};

std::vector<TensorType> infer_kernel(const InferContext& c) {
  const Graph& body = c.attributes.graph("body");
  std::vector<Value> leaves = body_leaves(body);
  if (leaves.size() != c.operands.size()) {
    c.fail("body @{} has {} leaves for {} operands", body.name(), leaves.size(), c.operands.size());
  }
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (body.type(leaves[i]) != c.operand(i).with_layout({})) {
      c.fail("leaf {} of the body is {}, but the operand is {}", i, to_string(body.type(leaves[i])),
             to_string(c.operand(i)));
    }
  }
  std::vector<TensorType> types;
  for (const Output& output : body.outputs())
    types.push_back(body.type(output.value).with_layout({}));
  std::istringstream tags(c.attributes.string("layouts"));
  std::string tag;
  for (size_t i = 0; tags >> tag; ++i) {
    if (i >= types.size())
      c.fail("'{}' names more layouts than the body has outputs", c.attributes.string("layouts"));
    if (tag != "-") types[i].layout = Layout::parse(tag, types[i].rank());
  }
  return types;
}

int64_t kernel_flops(const Node& node, std::span<const TensorType>) {
  const Graph& body = node.attributes.graph("body");
  int64_t total = 0;
  for (int i = 0; i < body.size(); ++i) {
    const Node& inner = body.node(i);
    if (inner.op->kind == OpKind::leaf) continue;
    total += inner.op->flops       ? inner.op->flops(inner, body.operand_types(inner))
             : inner.op->pointwise ? inner.types[0].count()
                                   : 0;
  }
  return total;
}

}  // namespace

namespace ops {

constinit const OpDef kernel{
    .name = "kernel",
    .kind = OpKind::kernel,
    .arity = {0, kAnyNumber},
    .attributes = kKernelAttributes,
    .infer = infer_kernel,
    .differentiable = false,
    .flops = kernel_flops,
};

}  // namespace ops

std::string layouts_text(std::span<const TensorType> results) {
  bool all_row_major = std::all_of(results.begin(), results.end(), [](const TensorType& type) {
    return type.layout.is_row_major();
  });
  if (all_row_major) return {};
  std::string text;
  for (const TensorType& type : results) {
    if (!text.empty()) text += ' ';
    text += type.layout.is_row_major() ? "-" : type.layout.tag(type.rank());
  }
  return text;
}

std::vector<Value> body_leaves(const Graph& body) {
  std::vector<Value> leaves;
  for (int i = 0; i < body.size(); ++i) {
    if (body.node(i).op->kind == OpKind::leaf) leaves.push_back({i, 0});
  }
  return leaves;
}

}  // namespace ag
