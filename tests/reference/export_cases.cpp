// Writes the table of op cases as JSON for make_reference.py: each row's graph as nodes, its
// operands, the gradients dy of its results, and the digest that ties a reference to them.
#include <iostream>
#include <nlohmann/json.hpp>

#include "ir/graph.h"
#include "ir/internal_error.h"
#include "tests/op_cases.h"
#include "tests/reference/digest.h"

using namespace ag;
using nlohmann::json;

namespace {

json array_json(const ReferenceTensor& tensor) {
  json data = tensor.is_floating() ? json(tensor.floats) : json(tensor.integers);
  return {{"dtype", std::string(name_of(tensor.dtype))}, {"shape", tensor.shape}, {"data", data}};
}

json type_json(const TensorType& type) {
  return {{"dtype", std::string(name_of(type.dtype))}, {"shape", type.shape}};
}

json attribute_json(const AttributeValue& value) {
  if (auto type = std::get_if<TensorType>(&value)) return type_json(*type);
  if (auto array = std::get_if<std::shared_ptr<const Array>>(&value))
    return array_json(ReferenceTensor::from(**array));
  if (auto flag = std::get_if<bool>(&value)) return *flag;
  if (auto integer = std::get_if<int64_t>(&value)) return *integer;
  if (auto number = std::get_if<double>(&value)) return *number;
  if (auto text = std::get_if<std::string>(&value)) return *text;
  if (auto integers = std::get_if<Integers>(&value)) return *integers;
  internal_error("no JSON form for this attribute");
}

json node_json(const Node& node) {
  json out{{"op", std::string(node.op->name)},
           {"operands", json::array()},
           {"attributes", json::object()},
           {"types", json::array()}};
  for (Value operand : node.operands) out["operands"].push_back({operand.node, operand.result});
  for (const Attribute& attribute : node.attributes.values())
    out["attributes"][attribute.name] = attribute_json(attribute.value);
  for (const TensorType& type : node.types) out["types"].push_back(type_json(type));
  return out;
}

json case_json(const OpCase& row) {
  BuiltCase built = build_case(row, row.reference_dtype());
  json out{{"name", row.name()},         {"digest", digest(built)},
           {"nodes", json::array()},     {"results", json::object()},
           {"operands", json::object()}, {"gradients", json::object()}};
  for (int i = 0; i < built.graph.size(); ++i)
    out["nodes"].push_back(node_json(built.graph.node(i)));
  for (const Output& output : built.graph.outputs())
    out["results"][output.name] = {output.value.node, output.value.result};
  for (const auto& [name, value] : build_loss_case(row, row.reference_dtype()).bindings)
    out[name[0] == 'x' ? "operands" : "gradients"][name] = array_json(value);
  return out;
}

}  // namespace

int main() {
  json all = json::array();
  for (const OpCase& row : op_cases()) all.push_back(case_json(row));
  std::cout << all.dump() << "\n";
}
