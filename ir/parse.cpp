#include "ir/parse.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <map>

#include "ir/array.h"
#include "ir/lexer.h"
#include "ir/ops/all_ops.h"
#include "ir/ops/leaf.h"
#include "ir/suggestion.h"

namespace ag {
namespace {

constexpr int kDeepestNesting = 32;
constexpr int kHighestRank = 16;

template <class T>
bool read_number(std::string_view text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// "net.cpp:12 layer1.conv" of a location comment; unknown for any other comment.
Location read_location(std::string_view comment) {
  std::string_view place = comment.substr(0, comment.find(' '));
  size_t colon = place.rfind(':');
  int line = 0;
  if (colon == std::string_view::npos || colon == 0) return {};
  if (!read_number(place.substr(colon + 1), line) || line < 0) return {};
  std::string_view scope = comment.substr(place.size());
  if (!scope.empty()) scope.remove_prefix(1);
  return {std::string(place.substr(0, colon)), line, std::string(scope)};
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const OpDef* op : all_ops()) names.emplace_back(op->name);
  return names;
}

// Types, arrays and other attribute values.
class ValueParser {
 public:
  explicit ValueParser(Lexer& lexer) : lexer_(lexer) {}

  void expect(char punctuation) {
    if (!lexer_.peek().is(punctuation)) fail_expected(fmt::format("'{}'", punctuation));
    lexer_.next();
  }

  bool accept(char punctuation) {
    if (!lexer_.peek().is(punctuation)) return false;
    lexer_.next();
    return true;
  }

  Token expect(TokenKind kind, std::string_view what) {
    if (lexer_.peek().kind != kind) fail_expected(what);
    return lexer_.next();
  }

  [[noreturn]] void fail_expected(std::string_view what) {
    throw lexer_.error_at(
        lexer_.peek(), fmt::format("expected {}, found {}", what, Lexer::describe(lexer_.peek())));
  }

  // A word or a string.
  std::string name(std::string_view what) {
    if (lexer_.peek().kind == TokenKind::string) return lexer_.next().text;
    return expect(TokenKind::name, what).text;
  }

  int64_t integer() {
    Token token = expect(TokenKind::number, "an integer");
    int64_t value = 0;
    if (!read_number(token.text, value))
      throw lexer_.error_at(token, fmt::format("'{}' is no integer of 64 bits", token.text));
    return value;
  }

  double number() {
    bool word = lexer_.peek().kind == TokenKind::name;  // inf, nan
    Token token = word ? lexer_.next() : expect(TokenKind::number, "a number");
    double value = 0;
    if (!read_number(token.text, value))
      throw lexer_.error_at(token, fmt::format("'{}' is no number", token.text));
    return value;
  }

  Integers integers() {
    Integers list;
    expect('[');
    if (accept(']')) return list;
    do list.push_back(integer());
    while (accept(','));
    expect(']');
    return list;
  }

  // dtype and shape, without a layout.
  TensorType row_major_type() {
    Token name = expect(TokenKind::name, "a type such as f32[8,3]");
    std::optional<DType> dtype = dtype_from_name(name.text);
    if (!dtype) {
      std::vector<std::string> known;
      for (int i = 0; i < kDTypeCount; ++i) known.emplace_back(name_of(static_cast<DType>(i)));
      throw lexer_.error_at(name, fmt::format("'{}' is no element type", name.text))
          .help(name_help(name.text, known, "element types"));
    }
    Token bracket = lexer_.peek();
    Shape shape = integers();
    if (shape.size() > kHighestRank) {
      throw lexer_.error_at(bracket, fmt::format("a tensor has at most {} axes, this one has {}",
                                                 kHighestRank, shape.size()));
    }
    TensorType type = tensor_type(*dtype, std::move(shape));
    if (std::string problem = size_problem(type); !problem.empty())
      throw lexer_.error_at(bracket, problem);
    return type;
  }

  TensorType type() {
    TensorType type = row_major_type();
    if (!lexer_.peek().is('{')) return type;
    lexer_.next();
    Token tag = lexer_.peek();
    try {
      type.layout = Layout::parse(lexer_.raw_until('}'), type.rank());
    } catch (const CompileError& error) {
      if (error.location().known()) throw;  // of the lexer
      throw lexer_.error_at(tag, error.message())
          .help("write axes as letters, blocked ones as capitals: f32[8,64,56,56]{aBcd16b}");
    }
    expect('}');
    return type;
  }

  // f32[2,2]{1 2 3.5 4}
  std::shared_ptr<const Array> array() {
    Token start = lexer_.peek();
    TensorType type = row_major_type();
    expect('{');
    std::vector<double> floats;
    std::vector<int64_t> integers;
    while (!lexer_.peek().is('}')) {
      if (is_float(type.dtype))
        floats.push_back(array_float(type.dtype));
      else
        integers.push_back(array_integer(type.dtype));
    }
    expect('}');
    int64_t found = static_cast<int64_t>(floats.size() + integers.size());
    if (found != type.count()) {
      throw lexer_.error_at(start, fmt::format("{} has {} elements, but {} numbers follow",
                                               to_string(type), type.count(), found));
    }
    Array array(type.dtype, type.shape);
    for (int64_t i = 0; i < found; ++i) {
      if (is_float(type.dtype))
        array.set_double(i, floats[i]);
      else
        array.set_int(i, integers[i]);
    }
    return std::make_shared<const Array>(std::move(array));
  }

 private:
  // Reading an f32 through double could round twice.
  double array_float(DType dtype) {
    Token token = lexer_.peek();
    double value = number();
    float single = 0;
    if (dtype == DType::f32 && read_number(token.text, single)) return single;
    return value;
  }

  int64_t array_integer(DType dtype) {
    Token token = lexer_.peek();
    if (dtype == DType::u64) {
      uint64_t value = 0;
      expect(TokenKind::number, "an integer");
      if (!read_number(token.text, value))
        throw lexer_.error_at(token, fmt::format("'{}' is no integer of type u64", token.text));
      return static_cast<int64_t>(value);
    }
    int64_t value = integer();
    if (wrap_to(dtype, value) != value)
      throw lexer_.error_at(token, fmt::format("{} does not fit in {}", value, name_of(dtype)));
    return value;
  }

  Lexer& lexer_;
};

class GraphParser {
 public:
  GraphParser(Lexer& lexer, ParseOptions options, int depth)
      : lexer_(lexer), values_(lexer), options_(options), depth_(depth) {}

  Graph graph() {
    Token keyword = lexer_.peek();
    if (!keyword.is(TokenKind::name, "graph")) values_.fail_expected("'graph'");
    if (depth_ > kDeepestNesting)
      throw lexer_.error_at(keyword, fmt::format("graphs nest deeper than {}", kDeepestNesting));
    lexer_.next();
    graph_.set_name(values_.expect(TokenKind::graph_name, "the graph's name, such as @main").text);
    header();
    values_.expect('{');
    while (!lexer_.peek().is('}')) statement();
    values_.expect('}');
    return std::move(graph_);
  }

 private:
  // The left side of "%1: f32[4] = …".
  struct Result {
    Token token;
    TensorType type;
  };

  // Numbers and names are different worlds: %1 is not %"1".
  static std::string key(const Token& token) {
    return (token.kind == TokenKind::value ? "#" : "$") + token.text;
  }

  Result result() {
    bool value = lexer_.peek().kind == TokenKind::value;
    if (!value && lexer_.peek().kind != TokenKind::named_value)
      values_.fail_expected("a value such as %1, 'return' or 'update'");
    Token token = lexer_.next();
    values_.expect(':');
    return {std::move(token), values_.type()};
  }

  void define(const Token& token, Value value) {
    auto [old, fresh] = defined_.emplace(key(token), std::pair(value, token.line));
    if (fresh) return;
    Token first = token;
    first.line = old->second.second;
    throw lexer_.error_at(token, fmt::format("{} is defined twice", Lexer::describe(token)))
        .note(lexer_.location_of(first), "first defined here");
  }

  Value use() {
    const Token& peeked = lexer_.peek();
    if (peeked.kind != TokenKind::value && peeked.kind != TokenKind::named_value)
      values_.fail_expected("a value such as %1");
    Token token = lexer_.next();
    auto found = defined_.find(key(token));
    if (found != defined_.end()) return found->second.first;
    std::vector<std::string> known;
    for (const auto& [name, place] : defined_) {
      if (name[0] == key(token)[0]) known.push_back(name.substr(1));
    }
    bool numbered = token.kind == TokenKind::value;
    std::string closest = numbered ? "" : closest_name(token.text, known);
    throw lexer_.error_at(token, fmt::format("{} is not defined", Lexer::describe(token)))
        .help(closest.empty() ? "values are defined on a line before their first use"
                              : fmt::format("did you mean %{}?", closest));
  }

  void header() {
    values_.expect('(');
    if (values_.accept(')')) return;
    do {
      Result input = result();
      at_line(input.token, {}, [&](const Location& location) {
        check_leaf_name(ops::input, input.token);
        define(input.token, graph_.add_leaf(ops::input, input.token.text, input.type, location));
      });
    } while (values_.accept(','));
    values_.expect(')');
  }

  void statement() {
    const Token& first = lexer_.peek();
    if (first.is(TokenKind::name, "return") || first.is(TokenKind::name, "update"))
      outputs();
    else
      node();
  }

  void outputs() {
    bool update = lexer_.next().text == "update";
    do {
      Token token = lexer_.peek();
      std::string name =
          values_.name(update ? "the name of a parameter or state" : "the name of an output");
      values_.expect('=');
      Value value = use();
      at_line(token, {}, [&](const Location&) {
        if (update)
          graph_.add_update(std::move(name), value);
        else
          graph_.add_output(std::move(name), value);
      });
    } while (values_.accept(','));
  }

  void node() {
    std::vector<Result> results{result()};
    while (values_.accept(',')) results.push_back(result());
    values_.expect('=');
    Token name = values_.expect(TokenKind::name, "the name of an op");
    const OpDef* op = find_op(name.text);
    if (!op) {
      throw lexer_.error_at(name, fmt::format("there is no op '{}'", name.text))
          .help(name_help(name.text, op_names(), "ops"));
    }
    std::vector<Value> operands;
    Attributes attributes;
    arguments(*op, operands, attributes);
    Location location = read_location(lexer_.trailing_comment());
    at_line(name, location, [&](const Location& where) {
      append(*op, results, std::move(operands), std::move(attributes), where);
    });
  }

  void arguments(const OpDef& op, std::vector<Value>& operands, Attributes& attributes) {
    values_.expect('(');
    if (values_.accept(')')) return;
    do {
      Token token = lexer_.peek();
      if (token.kind != TokenKind::name) {
        if (!attributes.values().empty())
          throw lexer_.error_at(token, "operands stand before attributes");
        operands.push_back(use());
        continue;
      }
      lexer_.next();
      if (attributes.find(token.text))
        throw lexer_.error_at(token, fmt::format("attribute '{}' is given twice", token.text));
      values_.expect('=');
      attributes.set(token.text, attribute(op.attribute(token.text)));
    } while (values_.accept(','));
    values_.expect(')');
  }

  // The kind is read off the text; a schema only decides between integers and numbers. Whether the
  // kind is the right one is checked where all attributes are.
  AttributeValue attribute(const AttributeSpec* spec) {
    const Token& token = lexer_.peek();
    if (spec && spec->kind == AttributeKind::number) return values_.number();
    if (token.kind == TokenKind::number) return values_.integer();
    if (token.kind == TokenKind::string) return lexer_.next().text;
    if (token.is('[')) return values_.integers();
    if (token.is(TokenKind::name, "true") || token.is(TokenKind::name, "false"))
      return lexer_.next().text == "true";
    if (token.is(TokenKind::name, "graph")) {
      return std::make_shared<const Graph>(GraphParser(lexer_, options_, depth_ + 1).graph());
    }
    if (token.kind == TokenKind::name && dtype_from_name(token.text)) return values_.array();
    values_.fail_expected(
        "an attribute's value: a number, a string, true, false, [1,2] or a graph");
  }

  void check_leaf_name(const OpDef& op, const Token& token) {
    if (token.kind == TokenKind::named_value) return;
    throw lexer_
        .error_at(token, fmt::format("{} needs a name, not the number {}", op.name,
                                     Lexer::describe(token)))
        .help(fmt::format("write %name, or %\"{}\" if that is its name", token.text));
  }

  void append(const OpDef& op, std::vector<Result>& results, std::vector<Value> operands,
              Attributes attributes, const Location& location) {
    if (&op == &ops::input) {
      throw lexer_.error_at(results[0].token, "inputs stand in the graph's head")
          .help(fmt::format("graph @{}(%name: {}) {{", graph_.name(), to_string(results[0].type)));
    }
    if (op.kind == OpKind::leaf) {
      check_leaf_name(op, results[0].token);
      if (results.size() != 1 || !operands.empty() || !attributes.values().empty())
        throw lexer_.error_at(results[0].token, fmt::format("write %name: type = {}()", op.name));
      define(results[0].token,
             graph_.add_leaf(op, results[0].token.text, results[0].type, location));
      return;
    }
    if (const AttributeSpec* declared = op.declared_type())
      attributes.set(declared->name, results[0].type);
    int index = graph_.append(op, std::move(operands), std::move(attributes), location);
    const Node& node = graph_.node(index);
    if (node.types.size() != results.size()) {
      throw lexer_.error_at(results[0].token,
                            fmt::format("{} has {} results, but {} are written", op.name,
                                        node.types.size(), results.size()));
    }
    for (size_t i = 0; i < results.size(); ++i) {
      if (node.types[i] != results[i].type) {
        throw lexer_
            .error_at(
                results[i].token,
                fmt::format("{} is declared {}, but {} gives {}", Lexer::describe(results[i].token),
                            to_string(results[i].type), op.name, to_string(node.types[i])))
            .help(fmt::format("write {}: {}", Lexer::spelled(results[i].token),
                              to_string(node.types[i])));
      }
      define(results[i].token, {index, static_cast<int>(i)});
    }
  }

  // Runs `build` and adds the line of the text to its errors.
  template <class Build>
  void at_line(const Token& token, Location location, Build&& build) {
    Location here = lexer_.location_of(token);
    if (!location.known() && options_.locate_in_text) location = here;
    try {
      build(location);
    } catch (CompileError& error) {
      if (!error.location().known())
        error.at(here);
      else if (error.location().file != here.file)
        error.note(here, "read from this line");
      throw;
    }
  }

  Lexer& lexer_;
  ValueParser values_;
  ParseOptions options_;
  int depth_;
  Graph graph_;
  std::map<std::string, std::pair<Value, int>, std::less<>> defined_;  // with the line
};

}  // namespace

Graph parse(std::string_view text, std::string_view file_name, ParseOptions options) {
  Lexer lexer(text, file_name);
  Graph graph = GraphParser(lexer, options, 0).graph();
  if (lexer.peek().kind != TokenKind::end) {
    throw lexer.error_at(lexer.peek(), fmt::format("expected the end of the text, found {}",
                                                   Lexer::describe(lexer.peek())));
  }
  return graph;
}

TensorType parse_type(std::string_view text, std::string_view file_name) {
  Lexer lexer(text, file_name);
  TensorType type = ValueParser(lexer).type();
  if (lexer.peek().kind != TokenKind::end)
    throw lexer.error_at(lexer.peek(), "a type ends before this");
  return type;
}

}  // namespace ag
