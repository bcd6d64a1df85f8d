#include "ir/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "ir/graph.h"
#include "ir/internal_error.h"
#include "ir/print.h"

namespace ag {
namespace {

constexpr std::string_view kKindNames[] = {
    "a flag", "an integer", "a number", "a string", "a list of integers",
    "a type", "a graph",    "an array"};

AttributeValue default_of(const AttributeSpec& spec) {
  switch (spec.kind) {
    case AttributeKind::boolean: return spec.fill != 0;
    case AttributeKind::integer: return spec.fill;
    case AttributeKind::number: return spec.number;
    case AttributeKind::string: return std::string(spec.text);
    case AttributeKind::integers: return Integers{};
    default: internal_error("attribute '{}' has no default", spec.name);
  }
}

// Sizes and positions are far below this; the shape rules' arithmetic cannot overflow.
void check_range(std::string_view op, const AttributeSpec& spec, int64_t value) {
  constexpr int64_t kLargest = int64_t{1} << 31;
  if (value >= -kLargest && value <= kLargest) return;
  throw CompileError(fmt::format("{}: attribute '{}' is {}, outside [{}, {}]", op, spec.name, value,
                                 -kLargest, kLargest));
}

AttributeValue checked(std::string_view op, const AttributeSpec& spec, AttributeValue value) {
  if (spec.kind == AttributeKind::number && std::holds_alternative<int64_t>(value)) {
    value = static_cast<double>(std::get<int64_t>(value));
  }
  if (value.index() != static_cast<size_t>(spec.kind)) {
    throw CompileError(fmt::format("{}: attribute '{}' must be {}, not {}", op, spec.name,
                                   kKindNames[static_cast<size_t>(spec.kind)],
                                   kKindNames[value.index()]));
  }
  if (auto* integer = std::get_if<int64_t>(&value)) check_range(op, spec, *integer);
  if (auto* list = std::get_if<Integers>(&value)) {
    for (int64_t entry : *list) check_range(op, spec, entry);
  }
  if (auto* type = std::get_if<TensorType>(&value)) {
    if (std::string problem = size_problem(*type); !problem.empty())
      throw CompileError(fmt::format("{}: {}", op, problem));
  }
  if (spec.kind == AttributeKind::integers && !spec.required) {
    auto& list = std::get<Integers>(value);
    bool all_fill =
        std::all_of(list.begin(), list.end(), [&](int64_t entry) { return entry == spec.fill; });
    if (all_fill) list.clear();
  }
  return value;
}

bool equal(const AttributeValue& a, const AttributeValue& b) {
  if (a.index() != b.index()) return false;
  if (auto graph = std::get_if<std::shared_ptr<const Graph>>(&a)) {
    return print(**graph) == print(*std::get<std::shared_ptr<const Graph>>(b));
  }
  if (auto array = std::get_if<std::shared_ptr<const Array>>(&a)) {
    return **array == *std::get<std::shared_ptr<const Array>>(b);
  }
  if (auto number = std::get_if<double>(&a))  // -0 and 0 are two numbers, NaN is one
    return std::bit_cast<uint64_t>(*number) == std::bit_cast<uint64_t>(std::get<double>(b));
  return a == b;
}

}  // namespace

Integers Attributes::integers(std::string_view name, size_t length, int64_t fill) const {
  const Integers& list = integers(name);
  return list.empty() ? Integers(length, fill) : list;
}

const AttributeValue* Attributes::find(std::string_view name) const {
  for (const Attribute& attribute : values_) {
    if (attribute.name == name) return &attribute.value;
  }
  return nullptr;
}

void Attributes::no_such_attribute(std::string_view name) {
  internal_error("no attribute '{}' of this kind", name);
}

void Attributes::set(std::string_view name, AttributeValue value) {
  for (Attribute& attribute : values_) {
    if (attribute.name == name) {
      attribute.value = std::move(value);
      return;
    }
  }
  values_.push_back({std::string(name), std::move(value)});
}

bool Attributes::operator==(const Attributes& other) const {
  return std::equal(values_.begin(), values_.end(), other.values_.begin(), other.values_.end(),
                    [](const Attribute& a, const Attribute& b) {
                      return a.name == b.name && equal(a.value, b.value);
                    });
}

Attributes complete_attributes(std::string_view op, std::span<const AttributeSpec> schema,
                               Attributes given) {
  for (const Attribute& attribute : given.values()) {
    auto known = [&](const AttributeSpec& spec) { return spec.name == attribute.name; };
    if (std::none_of(schema.begin(), schema.end(), known)) {
      std::string names;
      for (const AttributeSpec& spec : schema)
        names += (names.empty() ? "" : ", ") + std::string(spec.name);
      throw CompileError(fmt::format("{}: unknown attribute '{}'", op, attribute.name))
          .help(names.empty() ? "this op has no attributes" : "attributes: " + names);
    }
  }
  Attributes complete;
  for (const AttributeSpec& spec : schema) {
    const AttributeValue* value = given.find(spec.name);
    if (!value && spec.required) {
      throw CompileError(fmt::format("{}: attribute '{}' is missing", op, spec.name))
          .help(fmt::format("give {}, {}", spec.name, kKindNames[static_cast<size_t>(spec.kind)]));
    }
    complete.set(spec.name, value ? checked(op, spec, *value) : default_of(spec));
  }
  return complete;
}

bool is_default(const AttributeSpec& spec, const AttributeValue& value) {
  return !spec.required && equal(value, default_of(spec));
}

}  // namespace ag
