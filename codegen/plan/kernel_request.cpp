#include "codegen/plan/kernel_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/schedule/choose.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/ops/pointwise.h"
#include "ir/ops/view.h"
#include "ir/print.h"

namespace ag::plan {
namespace {

bool is_dense(const BufferForm& form) {
  int64_t stride = 1;
  Shape extents = form.type.layout.physical_shape(form.type.shape);
  for (size_t d = extents.size(); d-- > 0;) {
    if (extents[d] != 1 && form.strides[d] != stride) return false;
    stride *= extents[d];
  }
  return !form.type.layout.has_padding(form.type.shape);
}

// Whether a kernel does the same to every element of tensors stored alike; scalars apart.
bool is_elementwise(const Graph& body, std::span<const BufferForm> forms) {
  const BufferForm* first = nullptr;
  for (const BufferForm& form : forms) {
    if (form.type.rank() == 0) continue;
    if (!first) first = &form;
    bool alike = form.type.shape == first->type.shape && form.type.layout == first->type.layout;
    if (!alike || !is_dense(form)) return false;
  }
  if (!first) return false;
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    bool of_scalar = node.is(ops::broadcast) && body.type(node.operands[0]).rank() == 0;
    bool fine =
        node.op->kind == OpKind::leaf || node.op->pointwise || node.is(ops::full) || of_scalar;
    if (!fine) return false;
  }
  return true;
}

TensorType as_vector(const TensorType& type) {
  return type.rank() == 0 ? type : type.with_shape({type.layout.stored_count(type.shape)});
}

Graph vector_body(const Graph& body) {
  Graph flat(body.name());
  for (int i = 0; i < body.size(); ++i) {
    const Node& node = body.node(i);
    Attributes attributes = node.attributes;
    if (const AttributeSpec* spec = node.op->declared_type()) {
      attributes.set(spec->name, as_vector(node.attributes.type(spec->name)));
    }
    if (node.is(ops::broadcast)) attributes.set("axes", Integers{});
    if (node.op->kind == OpKind::leaf) {
      flat.add_leaf(*node.op, node.attributes.string("name"), as_vector(node.types[0]), {});
    } else {
      flat.append(*node.op, node.operands, attributes, {});
    }
  }
  for (const Output& output : body.outputs()) flat.add_output(output.name, output.value);
  return flat;
}

void make_vector(std::vector<BufferForm>& forms) {
  for (BufferForm& form : forms) {
    form = {as_vector(form.type), {}, form.type.rank() == 0 ? Shape{} : Shape{1}};
  }
}

}  // namespace

KernelRequest kernel_request(const Node& kernel, std::vector<BufferForm> operands,
                             std::vector<BufferForm> results, std::vector<int64_t> in_place,
                             const Target& target) {
  const Graph* body = &kernel.attributes.graph("body");
  std::string_view kernel_class = kernel.attributes.string("class");
  std::vector<BufferForm> all = operands;
  all.insert(all.end(), results.begin(), results.end());
  Graph flat("body");
  if (kernel_class == "pointwise" && is_elementwise(*body, all)) {
    flat = vector_body(*body);
    body = &flat;
    make_vector(operands);
    make_vector(results);
  }
  KernelRequest request;
  request.text = print(*body, {.locations = false});
  request.schedule = choose_schedule({*body, kernel_class, operands, results, target}).text();
  request.operands = std::move(operands);
  request.results = std::move(results);
  request.in_place = std::move(in_place);
  request.target = target.name;
  request.symbol = "k_" + content_hash(serialize(request));
  return request;
}

std::string kernel_name(const Graph& body) {
  std::string name;
  int extra = 0;
  for (int i = 0; i < body.size(); ++i) {
    const OpDef& op = *body.node(i).op;
    bool moves =
        &op == &ops::broadcast || &op == &ops::full || &op == &ops::iota || op.kind == OpKind::leaf;
    if (moves) continue;
    if (std::count(name.begin(), name.end(), '+') >= 4) {
      ++extra;
      continue;
    }
    name += (name.empty() ? "" : "+") + std::string(op.name);
  }
  if (extra > 0) name += fmt::format("+{} more", extra);
  return name.empty() ? "copy" : name;
}

std::string form_text(const BufferForm& form) {
  std::string halo;
  bool any = false;
  for (const BufferForm::Halo& axis : form.halo) {
    halo += fmt::format("{}{}+{}", halo.empty() ? "" : ",", axis.low, axis.high);
    any = any || axis.low != 0 || axis.high != 0;
  }
  return to_string(form.type) + (any ? " halo [" + halo + "]" : "");
}

}  // namespace ag::plan
