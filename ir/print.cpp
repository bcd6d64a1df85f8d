#include "ir/print.h"

#include <algorithm>

#include "ir/ops/leaf.h"

namespace ag {
namespace {

bool is_named_leaf(const Node& node) { return node.op->kind == OpKind::leaf; }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

bool is_plain_name(std::string_view name) {
  auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-' ||
           c == '/';
  };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), plain);
}

std::string name_text(std::string_view name) {
  return is_plain_name(name) ? std::string(name) : quoted(name);
}

// Shortest text that reads back as the same double, always recognisable as a number.
std::string number_text(double value) { return fmt::format("{}", value); }

std::string array_text(const Array& array) {
  std::string text(name_of(array.dtype()));
  text += to_string(array.shape()) + "{";
  for (int64_t i = 0; i < array.count(); ++i) {
    if (i) text += ' ';
    text += is_float(array.dtype()) ? number_text(array.get_double(i))
            : array.dtype() == DType::u64
                ? fmt::format("{}", static_cast<uint64_t>(array.get_int(i)))
                : fmt::format("{}", array.get_int(i));
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
    if (options_.locations && node.location.known()) text += "  # " + node.location.text();
    return text;
  }

  std::string output_text(const std::string& indent) const {
    std::string returns, updates;
    for (const Output& output : graph_.outputs()) {
      std::string pair = name_text(output.name) + "=" + name(output.value);
      if (output.updates)
        updates += indent + "update " + pair + "\n";
      else
        returns += (returns.empty() ? indent + "return " : ", ") + pair;
    }
    return updates + (returns.empty() ? "" : returns + "\n");
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
