// Attributes of a node: constants that are part of the program, by name.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/array.h"
#include "ir/type.h"

namespace ag {

class Graph;

using Integers = std::vector<int64_t>;
using AttributeValue = std::variant<bool, int64_t, double, std::string, Integers, TensorType,
                                    std::shared_ptr<const Graph>, std::shared_ptr<const Array>>;

// In the order of AttributeValue's alternatives.
enum class AttributeKind { boolean, integer, number, string, integers, type, graph, array };

// One line of an op's attribute schema. An attribute of kind `type` is never written in an
// attribute list: it is the declared type of the (only) result.
struct AttributeSpec {
  std::string_view name;
  AttributeKind kind = AttributeKind::integer;
  bool required = true;
  // Defaults of optional attributes. For `integers` the list may have any length and every entry
  // that is left out equals `fill`; a list whose entries all equal `fill` is stored empty.
  int64_t fill = 0;  // also the default of `integer` and `boolean`
  double number = 0;
  std::string_view text;
};

constexpr AttributeSpec required(std::string_view name, AttributeKind kind) { return {name, kind}; }
constexpr AttributeSpec flag(std::string_view name) {
  return {name, AttributeKind::boolean, false, 0, 0, {}};
}
constexpr AttributeSpec optional_integer(std::string_view name, int64_t value) {
  return {name, AttributeKind::integer, false, value, 0, {}};
}
constexpr AttributeSpec optional_number(std::string_view name, double value) {
  return {name, AttributeKind::number, false, 0, value, {}};
}
constexpr AttributeSpec optional_string(std::string_view name, std::string_view value) {
  return {name, AttributeKind::string, false, 0, 0, value};
}
constexpr AttributeSpec optional_integers(std::string_view name, int64_t fill) {
  return {name, AttributeKind::integers, false, fill, 0, {}};
}

struct Attribute {
  std::string name;
  AttributeValue value;
};

// Values in schema order, defaults filled in. Reading a name the schema lacks is an InternalError.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<Attribute> values) : values_(values) {}

  bool flag(std::string_view name) const { return get<bool>(name); }
  int64_t integer(std::string_view name) const { return get<int64_t>(name); }
  double number(std::string_view name) const { return get<double>(name); }
  const std::string& string(std::string_view name) const { return get<std::string>(name); }
  const TensorType& type(std::string_view name) const { return get<TensorType>(name); }
  const Graph& graph(std::string_view name) const {
    return *get<std::shared_ptr<const Graph>>(name);
  }
  const Array& array(std::string_view name) const {
    return *get<std::shared_ptr<const Array>>(name);
  }
  const Integers& integers(std::string_view name) const { return get<Integers>(name); }
  // The list with its default spelled out to `length` entries.
  Integers integers(std::string_view name, size_t length, int64_t fill) const;

  const AttributeValue* find(std::string_view name) const;
  void set(std::string_view name, AttributeValue value);
  const std::vector<Attribute>& values() const { return values_; }
  // Structural equality; sub-graphs compare by their printed text, arrays by content.
  bool operator==(const Attributes& other) const;

 private:
  template <class T>
  const T& get(std::string_view name) const {
    const AttributeValue* value = find(name);
    if (!value || !std::holds_alternative<T>(*value)) no_such_attribute(name);
    return std::get<T>(*value);
  }
  [[noreturn]] static void no_such_attribute(std::string_view name);
  std::vector<Attribute> values_;
};

// Checks `given` against the schema (unknown name, wrong kind, missing) and returns it complete, in
// schema order. Integers are accepted where numbers are wanted. Throws CompileError.
Attributes complete_attributes(std::string_view op, std::span<const AttributeSpec> schema,
                               Attributes given);
// Whether an optional attribute has its default value (the printer leaves it out).
bool is_default(const AttributeSpec& spec, const AttributeValue& value);

}  // namespace ag
