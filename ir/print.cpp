#include "ir/print.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/lexer.h"
#include "ir/ops/leaf.h"

namespace ag {
namespace {

bool is_named_leaf(const Node& node) { return node.op->kind == OpKind::leaf; }

std::string name_text(std::string_view name) {
  return is_plain_name(name) ? std::string(name) : quoted(name);
}

// Shortest text that reads back as the same double.
std::string number_text(double value) { return fmt::format("{}", value); }

// The 16-bit floats are exact in f32, whose shortest texts are shorter.
std::string element_text(const Array& array, int64_t i) {
  if (array.dtype() == DType::f64) return number_text(array.get_double(i));
  if (is_float(array.dtype())) return fmt::format("{}", static_cast<float>(array.get_double(i)));
  if (array.dtype() == DType::u64)
    return fmt::format("{}", static_cast<uint64_t>(array.get_int(i)));
  return fmt::format("{}", array.get_int(i));
}

// A location as the parser can tell it from other comments: no line breaks, no spaces in the file.
std::string location_text(const Location& location) {
  Location clean = location;
  for (char& c : clean.file) c = static_cast<unsigned char>(c) <= 0x20 ? '_' : c;
  for (char& c : clean.scope) c = static_cast<unsigned char>(c) < 0x20 ? '_' : c;
  return clean.text();
}

std::string array_text(const Array& array) {
  std::string text(name_of(array.dtype()));
  text += to_string(array.shape()) + "{";
  for (int64_t i = 0; i < array.count(); ++i) {
    if (i) text += ' ';
    text += element_text(array, i);
  }
  return text + "}";
}

class Printer {
 public:
  Printer(const Graph& graph, PrintOptions options) : graph_(graph), options_(options) {
    number_values();
  }

  std::string graph_text(int depth) const {
    std::string indent(2 * depth, ' ');
    std::string text = "graph @" + name_text(graph_.name()) + "(";
    bool first = true;
    for (Value input : graph_.leaves(ops::input)) {
      text += (first ? "" : ", ") + name(input) + ": " + to_string(graph_.type(input));
      first = false;
    }
    text += ") {\n";
    for (int i = 0; i < graph_.size(); ++i) {
      if (!graph_.node(i).is(ops::input)) text += indent + "  " + line(i, depth + 1) + "\n";
    }
    return text + output_text(indent + "  ") + indent + "}";
  }

  std::string name(Value value) const {
    const Node& node = graph_.node(value);
    if (is_named_leaf(node)) return "%" + name_text(node.attributes.string("name"));
    return fmt::format("%{}", first_number_[value.node] + value.result);
  }

  std::string call(const Node& node, bool with_types, int depth) const {
    std::string text(node.op->name);
    text += "(";
    bool first = true;
    auto item = [&](const std::string& piece) {
      text += (first ? "" : ", ") + piece;
      first = false;
    };
    for (Value operand : node.operands) {
      item(with_types ? name(operand) + ": " + to_string(graph_.type(operand)) : name(operand));
    }
    for (const AttributeSpec& spec : node.op->attributes) {
      const AttributeValue* value = node.attributes.find(spec.name);
      bool implied =
          spec.kind == AttributeKind::type || (is_named_leaf(node) && spec.name == "name");
      if (value && !implied && !is_default(spec, *value)) {
        item(fmt::format("{}={}", spec.name, attribute_text(*value, depth)));
      }
    }
    return text + ")";
  }

 private:
  void number_values() {
    int next = 1;
    for (int i = 0; i < graph_.size(); ++i) {
      first_number_.push_back(next);
      if (!is_named_leaf(graph_.node(i))) next += static_cast<int>(graph_.node(i).types.size());
    }
    first_number_.push_back(next);
  }

  std::string line(int index, int depth) const {
    const Node& node = graph_.node(index);
    std::string text;
    for (size_t i = 0; i < node.types.size(); ++i) {
      text +=
          (i ? ", " : "") + name({index, static_cast<int>(i)}) + ": " + to_string(node.types[i]);
    }
    text += " = " + call(node, false, depth);
    if (options_.locations && node.location.known()) text += "  # " + location_text(node.location);
    return text;
  }

  // In order; neighbours that are no updates share a line.
  std::string output_text(const std::string& indent) const {
    std::string text;
    bool returning = false;
    for (const Output& output : graph_.outputs()) {
      std::string pair = name_text(output.name) + "=" + name(output.value);
      if (returning && !output.updates)
        text += ", " + pair;
      else
        text += (returning ? "\n" : "") + indent + (output.updates ? "update " : "return ") + pair;
      if (output.updates) text += "\n";
      returning = !output.updates;
    }
    return text + (returning ? "\n" : "");
  }

  std::string attribute_text(const AttributeValue& value, int depth) const {
    struct Visitor {
      const Printer& printer;
      int depth;
      std::string operator()(bool flag) const { return flag ? "true" : "false"; }
      std::string operator()(int64_t integer) const { return fmt::format("{}", integer); }
      std::string operator()(double number) const { return number_text(number); }
      std::string operator()(const std::string& text) const { return quoted(text); }
      std::string operator()(const Integers& list) const { return to_string(list); }
      std::string operator()(const TensorType& type) const { return to_string(type); }
      std::string operator()(const std::shared_ptr<const Array>& array) const {
        return array_text(*array);
      }
      std::string operator()(const std::shared_ptr<const Graph>& graph) const {
        return Printer(*graph, printer.options_).graph_text(depth);
      }
    };
    return std::visit(Visitor{*this, depth}, value);
  }

  const Graph& graph_;
  PrintOptions options_;
  std::vector<int> first_number_;  // of each node, and one past the last
};

}  // namespace

std::string print(const Graph& graph, PrintOptions options) {
  return Printer(graph, options).graph_text(0) + "\n";
}

std::string print_name(const Graph& graph, Value value) { return Printer(graph, {}).name(value); }

std::string print_application(const Graph& graph, const Node& node) {
  return Printer(graph, {}).call(node, true, 0);
}

}  // namespace ag
